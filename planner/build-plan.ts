import { digestOf, sha256, type Json } from "../foundation/canonical.js";
import { secondsOf } from "../foundation/durations.js";
import type { Plan, PlanInput, PlannedStage } from "../schemas/plan.js";
import type { Spec, StageSpec } from "../schemas/spec.js";
import { paperDecoding } from "../schemas/stages/common.js";
import type { PlannedSweep } from "../schemas/sweep.js";
import { stageKinds, type ArtifactType, type DataUse, type StageKindDeclaration } from "../schemas/stages/table.js";
import { taskQueueFor } from "../schemas/task-queue.js";
import { madeFormat, makerOf, targetOf, upstreamOf, type Draft, type DraftStage, type Reference } from "./draft.js";
import type { Facts } from "./facts.js";
import { decisiveGuards, plannedGuards } from "./guards.js";
import { sizesOf } from "./model-sizes.js";
import { topologicalOrder } from "./order.js";
import { resolveCriticTricks, resolvePpoTricks } from "./presets.js";
import { writtenTricks } from "./constraints.js";
import { typeOf } from "./references.js";
import { decisiveChats } from "./chat.js";
import { decisiveReward } from "./rewards.js";
import { sweepWarnings } from "./sweep/warnings.js";
import { warningsOf } from "./warnings.js";

/** A spec without faults, and where it came from. */
export interface CheckedSpec {
  readonly spec: Spec;
  readonly draft: Draft;
  readonly facts: Facts;
  readonly specPath: string;
  /** The file's text. */
  readonly text: string;
  /** The variants, where the text has a sweep. */
  readonly sweep?: PlannedSweep | undefined;
}

/** Resolves and freezes a spec that has no faults. Pure: the same spec and facts give the same plan. */
export function buildPlan({ spec, draft, facts, specPath, text, sweep }: CheckedSpec): Plan {
  const graph = new Map([...draft.stages.values()].flatMap((stage) => stage === undefined ? [] : [[stage.name, upstreamOf(draft, stage)] as const]));
  const planned = new Map<string, PlannedStage>();
  for (const name of topologicalOrder(graph)) {
    const stage = draft.stages.get(name)!;
    planned.set(name, planStage(spec, draft, facts, stage, graph.get(name)!, planned));
  }
  return {
    version: 1, name: spec.name, specDigest: sha256(text), specPath, spec: text, stages: [...planned.values()], notify: spec.notify, 
    warnings: [...warningsOf(draft, facts, sweep), ...(sweep === undefined ? [] : sweepWarnings(draft, facts, sweep, planned))],
    ...(spec.deadline !== undefined && { deadlineSeconds: secondsOf(spec.deadline) }), ...(sweep !== undefined && { sweep }),
  };
}

function planStage(
  spec: Spec, draft: Draft, facts: Facts, stage: DraftStage, after: readonly string[], planned: ReadonlyMap<string, PlannedStage>,
): PlannedStage {
  const declaration: StageKindDeclaration = stageKinds[stage.kind];
  const complete = spec.stages[stage.name]!;
  const guards = plannedGuards(stage, complete);
  const decisive = decisiveGuards(guards);
  const parameters = { ...resolvedParameters(stage, complete, facts), ...("guards" in complete && { guards: jsonOf(guards) }) };
  const seed = ("seed" in complete ? complete.seed : undefined) ?? spec.seed;
  const inputs = inputsOf(draft, facts, stage, parameters);
  const keyParts = {
    kind: stage.kind,
    version: declaration.version,
    seed,
    parameters: {
      ...withoutMembers(parameters, [...namesOnly, ...Object.keys(declaration.inputs)]),
      ...decisiveReward(complete),
      ...decisiveChats(complete),
      // Its report and figures tell the data entries apart by their names.
      ...(complete.kind === "reward-accuracy" && { pairs: [complete.pairs].flat() }),
      ...(Object.keys(decisive).length > 0 && { guards: jsonOf(decisive) }),
    },
    inputs: Object.fromEntries(Object.entries(inputs).map(([field, input]) => [field, identityOf(input, planned)])),
  } satisfies Record<string, Json>;
  return {
    name: stage.name, kind: stage.kind, key: digestOf(keyParts), keyParts, parameters, seed, inputs, after: [...after],
    output: declaration.output, resources: complete.resources, taskQueue: taskQueueFor(complete.resources),
    timeouts: { ...declaration.timeouts },
    ...approvalOf(spec, stage.name),
    ...(complete.deadline !== undefined && { deadlineSeconds: secondsOf(complete.deadline) }),
  };
}

function approvalOf({ approval }: Spec, stage: string): Pick<PlannedStage, "approval"> {
  if (approval === undefined || ![approval.before].flat().includes(stage)) return {};
  const { question, within } = approval;
  return { approval: { ...(question !== undefined && { question }), ...(within !== undefined && { withinSeconds: secondsOf(within) }) } };
}

/** Members that name, describe or schedule a stage, and do not change its result. A preset counts by its tricks, a decoding by its settings, guards where they roll back. */
const namesOnly = ["kind", "description", "seed", "checkpoint", "resources", "deadline", "preset", "decoding", "guards"];

type JsonObject = Record<string, JsonValue>;
type JsonValue = PlannedStage["parameters"][string];

/** Complete parameters: defaults and tricks resolved, paths absolute. */
function resolvedParameters(stage: DraftStage, complete: StageSpec, facts: Facts): JsonObject {
  const { description: _, ...parameters } = complete;
  switch (parameters.kind) {
    case "ppo": {
      const tricks = resolvePpoTricks(parameters.preset, writtenTricks(stage), parameters.pretrainingData !== undefined);
      const { criticLearningRate: _unused, ...criticless } = parameters;
      return jsonOf({ ...(tricks.groupBaseline === undefined ? parameters : criticless), tricks });
    }
    case "critic-pretrain":
      return jsonOf({ ...parameters, tricks: resolveCriticTricks(writtenTricks(stage)) });
    case "evaluate": {
      const answers = facts.answers.get(stage.name);
      return jsonOf({ ...parameters, ...decodingOf(stage, parameters), ...(answers !== undefined && { baseline: { answers: answers.path } }) });
    }
    case "preferences":
      return jsonOf({ ...parameters, ...decodingOf(stage, parameters) });
    case "tokenizer": case "pretrain": case "sft": case "reward-model": case "dpo": case "reward-accuracy": case "multiple-choice":
      return jsonOf(parameters);
  }
}

/** What a decoding that the stage names by its name sets, but for what the stage sets itself. */
function decodingOf({ written }: DraftStage, { decoding }: { readonly decoding?: "paper" | undefined }): JsonObject {
  return decoding === undefined ? {} : withoutMembers(paperDecoding, Object.keys(written));
}

function inputsOf(draft: Draft, facts: Facts, stage: DraftStage, parameters: JsonObject): Record<string, PlanInput> {
  const fields = new Set(stage.references.map(({ input, field }) => input ?? field));
  // Text that no loss reads is no input: naming it changes nothing.
  if (stage.kind === "ppo" && !hasMember(parameters["tricks"], "pretrainingLoss")) fields.delete("pretrainingData");
  const inputs = [...fields].map((field): [string, PlanInput] => {
    const references = stage.references.filter((reference) => (reference.input ?? reference.field) === field);
    const { declaration } = references[0]!;
    return [field, "data" in declaration ? dataInput(draft, facts, references, declaration.data) : modelInput(draft, facts, references[0]!)];
  });
  for (const [field, { path, digest }] of facts.modules.get(stage.name) ?? []) inputs.push([field, { from: "file", path, digest }]);
  const answers = facts.answers.get(stage.name);
  if (answers !== undefined) {
    const entry = { name: "baseline answers", format: "dialogue" as const, path: answers.path, digest: answers.digest, holdout: 0, maxBadShare: 0 };
    inputs.push(["baseline", { from: "data", use: "dialogues", entries: [entry] }]);
  }
  return Object.fromEntries(inputs);
}

function dataInput(draft: Draft, facts: Facts, references: readonly Reference[], use: DataUse): PlanInput {
  const isMixture = references.some(({ weight }) => weight !== undefined);
  return {
    from: "data", use, ...(isMixture && { weights: references.map(({ weight }) => weight ?? 1) }), entries: references.map(({ name }) => {
      const maker = makerOf(draft, name);
      if (maker !== undefined) return { name, format: madeFormat(maker)!, stage: name };
      const { format, holdout, maxBadShare } = draft.data.get(name)!;
      return { name, format, ...facts.data.get(name)!, holdout, maxBadShare };
    }),
  };
}

function modelInput(draft: Draft, facts: Facts, { name }: Reference): PlanInput {
  const target = targetOf(draft, name)!;
  if (target.from === "stage") return { from: "stage", stage: target.stage.name, type: target.type };
  const { entry } = target;
  if ("path" in entry) {
    const { path, digest, under } = facts.models.get(name)!;
    const type: ArtifactType = typeOf(target, facts)!;
    return { from: "directory", path, type, digest, ...(under !== undefined && { under: [...under] }) };
  }
  return { from: "scratch", model: name, configuration: { ...sizesOf(entry) }, tokenizer: entry.tokenizer };
}

/** What an input is, whatever it is called. */
function identityOf(input: PlanInput, planned: ReadonlyMap<string, PlannedStage>): JsonValue {
  switch (input.from) {
    case "stage":
      return { stage: planned.get(input.stage)!.key };
    case "directory":
      return { directory: input.digest, ...(input.under !== undefined && { under: input.under.map(({ digest }) => digest) }) };
    case "file":
      return { file: input.digest };
    case "scratch":
      return { scratch: input.configuration, tokenizer: planned.get(input.tokenizer)!.key };
    case "data":
      return {
        data: input.entries.map((entry): JsonValue => {
          if ("stage" in entry) return { stage: planned.get(entry.stage)!.key };
          const { format, digest, holdout, maxBadShare } = entry;
          return { format, digest, holdout, maxBadShare };
        }),
        ...(input.weights !== undefined && { weights: input.weights }),
      };
  }
}

function withoutMembers(members: JsonObject, left: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(members).filter(([name]) => !left.includes(name)));
}

const hasMember = (value: JsonValue | undefined, name: string): boolean => typeof value === "object" && value !== null && name in value;

/** A parsed value as plain JSON, members that are undefined left out. */
function jsonOf(value: object): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject;
}
