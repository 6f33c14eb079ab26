import { dataUses } from "../data/formats.js";
import { dataFormats, type DataFormat, type ModelEntry } from "../schemas/spec.js";
import { artifactFormats, stageKinds, type ArtifactType, type DataUse } from "../schemas/stages/table.js";
import { madeFormat, makerOf, targetOf, upstreamOf, type Draft, type DraftStage, type Reference, type Target } from "./draft.js";
import type { Facts } from "./facts.js";
import type { Fault } from "./fault.js";
import { findCycles } from "./order.js";
import { meant, suggestion } from "../foundation/suggest.js";

/** Faults of all names in a spec: unknown, of the wrong type, taken twice, or waiting for each other in a circle. */
export function referenceFaults(draft: Draft, facts: Facts): Fault[] {
  const stages = [...draft.stages.values()].filter((stage) => stage !== undefined);
  return [
    ...takenNames(draft),
    ...[...draft.models].flatMap(([name, entry]) => entry === undefined ? [] : [...tokenizerFaults(draft, name, entry), ...baseFaults(draft, name, entry)]),
    ...stages.flatMap((stage) => stage.references.flatMap((reference) => "data" in reference.declaration
      ? dataFaults(draft, stage, reference, reference.declaration.data)
      : modelFaults(draft, facts, stage, reference, reference.declaration.accepts))),
    ...approvalFaults(draft),
    ...cycleFaults(draft, stages),
  ];
}

function approvalFaults({ approval, stages }: Draft): Fault[] {
  return approval.filter((name) => !stages.has(name)).map((name) => ({
    code: "TL_SPEC_UNKNOWN_REFERENCE", path: ["approval", "before"], message: `there is no stage \`${name}\``, hint: suggestion(name, [...stages.keys()]),
  }));
}

/** The type of artifact that a target is; undefined where its directory could not be read. */
export function typeOf(target: Target, facts: Facts): ArtifactType | undefined {
  if (target.from === "stage") return target.type;
  return "path" in target.entry ? facts.models.get(target.name)?.type : "language-model";
}

function takenNames(draft: Draft): Fault[] {
  const both = (other: string) => (name: string): Fault => ({
    code: "TL_SPEC_NAME_TAKEN", path: ["stages", name], part: "key",
    message: `\`${name}\` names a stage and ${other}; a reference could mean either`, hint: "rename one of them",
  });
  const makesData = (name: string): boolean => {
    const stage = draft.stages.get(name);
    return stage !== undefined && madeFormat(stage) !== undefined;
  };
  return [
    ...[...draft.models.keys()].filter((name) => draft.stages.has(name)).map(both("a model")),
    ...[...draft.data.keys()].filter(makesData).map(both("a data entry")),
  ];
}

function tokenizerFaults(draft: Draft, model: string, entry: ModelEntry): Fault[] {
  if (!("tokenizer" in entry)) return [];
  const path = ["models", model, "tokenizer"];
  const name = entry.tokenizer;
  const tokenizers = [...draft.stages.values()].flatMap((stage) => stage?.kind === "tokenizer" ? [stage.name] : []);
  if (!draft.stages.has(name)) {
    const hint = suggestion(name, tokenizers) ?? "add a stage of kind `tokenizer`";
    return [{ code: "TL_SPEC_UNKNOWN_REFERENCE", path, message: `there is no stage \`${name}\``, hint }];
  }
  const stage = draft.stages.get(name);
  if (stage === undefined || stage.kind === "tokenizer") return [];
  return [{
    code: "TL_SPEC_WRONG_REFERENCE", path, message: `\`${name}\` is ${withArticle(typeWords[stageKinds[stage.kind].output])}; \`tokenizer\` wants a stage of kind \`tokenizer\``,
    ...(tokenizers.length > 0 && { hint: suggestion(name, tokenizers) }),
  }];
}

/** What an adapter stands on is an entry of `models` from files: a whole model, or an adapter on one. */
function baseFaults({ models, stages }: Draft, model: string, entry: ModelEntry): Fault[] {
  if (!("path" in entry) || entry.base === undefined) return [];
  const { base } = entry;
  const path = ["models", model, "base"];
  const below = (name: string): ModelEntry | undefined => models.get(name);
  const fromFiles = [...models].flatMap(([name, each]) => (name !== model && each !== undefined && "path" in each ? [name] : []));
  const known = below(base);
  const wrong = known !== undefined && !("path" in known) ? "a model from scratch" : stages.has(base) ? "a stage" : undefined;
  if (wrong !== undefined) {
    return [{ code: "TL_SPEC_WRONG_REFERENCE", path, message: `\`${base}\` is ${wrong}; \`base\` wants an entry of \`models\` from files`, hint: suggestion(base, fromFiles) }];
  }
  if (!models.has(base)) {
    return [{ code: "TL_SPEC_UNKNOWN_REFERENCE", path, message: `there is no model \`${base}\``, hint: suggestion(base, fromFiles) ?? "add the model under the adapter to `models`" }];
  }
  const chain = [model];
  for (let next: string | undefined = base; next !== undefined;) {
    if (next === model) {
      return [{ code: "TL_SPEC_CYCLE", path, message: `these adapters stand on each other: ${[...chain, model].map((name) => `\`${name}\``).join(" → ")}`, hint: "name the whole model under them" }];
    }
    if (chain.includes(next)) return [];
    chain.push(next);
    const each: ModelEntry | undefined = below(next);
    next = each !== undefined && "path" in each ? each.base : undefined;
  }
  return [];
}

function dataFaults(draft: Draft, stage: DraftStage, reference: Reference, use: DataUse): Fault[] {
  const path = pathOf(stage, reference);
  const { field, name } = reference;
  const maker = makerOf(draft, name);
  if (!draft.data.has(name) && maker === undefined) {
    const named = draft.stages.get(name);
    const other = named !== undefined ? withArticle(typeWords[stageKinds[named.kind].output]) : draft.stages.has(name) ? "a stage" : draft.models.has(name) ? "a model" : undefined;
    const kinds = makingKinds(use);
    const wanted = ["a data entry", ...(kinds.length === 0 ? [] : [`a stage of kind ${kinds.map((kind) => `\`${kind}\``).join(" or ")}`])].join(" or ");
    const makers = [...draft.stages.keys()].filter((each) => makerOf(draft, each) !== undefined && each !== stage.name);
    return [{
      code: other === undefined ? "TL_SPEC_UNKNOWN_REFERENCE" : "TL_SPEC_WRONG_REFERENCE", path,
      message: other === undefined ? `there is no data entry \`${name}\`` : `\`${name}\` is ${other}; \`${field}\` wants ${wanted}`,
      hint: isPath(name) ? `add an entry under \`data\`, {"format": …, "path": ${JSON.stringify(name)}}, and name that` : suggestion(name, [...draft.data.keys(), ...makers]) ?? "add it under `data`",
    }];
  }
  const format = maker === undefined ? draft.data.get(name)?.format : madeFormat(maker);
  if (format === undefined || dataUses(format).includes(use)) return [];
  const entries = [...draft.data].flatMap(([each, entry]) => entry !== undefined && dataUses(entry.format).includes(use) ? [each] : []);
  return [{
    code: "TL_SPEC_DATA_USE", path,
    message: `\`${name}\` ${maker === undefined ? "has" : "makes data of"} the format ${format}, which holds no ${use}; \`${field}\` of \`${stage.kind}\` stages needs them`,
    hint: `${entries.length === 0 ? "" : `${entries.map((each) => `\`${each}\``).join(", ")} would do; `}formats that serve: ${serving(use).join(", ")}`,
  }];
}

/** Stage kinds that make data for a use. */
const makingKinds = (use: DataUse): string[] => {
  const formats: Partial<Record<ArtifactType, DataFormat>> = artifactFormats;
  return Object.entries(stageKinds).flatMap(([kind, { output }]) => (formats[output] !== undefined && dataUses(formats[output]).includes(use) ? [kind] : []));
};

const serving = (use: DataUse): string[] => dataFormats.options.filter((format) => dataUses(format).includes(use));

function modelFaults(draft: Draft, facts: Facts, stage: DraftStage, reference: Reference, accepts: readonly ArtifactType[]): Fault[] {
  const path = pathOf(stage, reference);
  const { field, name } = reference;
  const wanted = accepts.map((type) => withArticle(typeWords[type])).join(", or ");
  const others = [...draft.stages.keys(), ...draft.models.keys()].filter((each) => each !== stage.name);
  const fitting = others.filter((each) => {
    const other = targetOf(draft, each);
    const found = other && typeOf(other, facts);
    return found !== undefined && accepts.includes(found);
  });
  const wouldDo = fitting.length === 0 ? undefined : `${fitting.map((each) => `\`${each}\``).join(", ")} would do`;
  if (!draft.stages.has(name) && !draft.models.has(name)) {
    const isData = draft.data.has(name);
    return [{
      code: isData ? "TL_SPEC_WRONG_REFERENCE" : "TL_SPEC_UNKNOWN_REFERENCE", path,
      message: isData ? `\`${name}\` is a data entry; \`${field}\` wants ${wanted}` : `there is no stage or model \`${name}\``,
      hint: isPath(name) ? `add an entry under \`models\`, {"path": …} with its directory, and name that; nothing is downloaded` : (isData ? undefined : meant(name, others)) ?? wouldDo ?? suggestion(name, others),
    }];
  }
  const target = targetOf(draft, name);
  const type = target && typeOf(target, facts);
  if (type === undefined || accepts.includes(type)) return [];
  return [{
    code: "TL_SPEC_WRONG_REFERENCE", path, message: `\`${name}\` is ${withArticle(typeWords[type])}; \`${field}\` wants ${wanted}`,
    ...(wouldDo !== undefined && { hint: wouldDo }),
  }];
}

/** Whether somebody wrote where a file is, or what a hub calls a model, in place of a name: names have no slashes and no endings of files. */
const isPath = (name: string): boolean => /[/\\]|\.(jsonl?|csv|parquet|txt|gz|zst)$/.test(name);

function cycleFaults(draft: Draft, stages: readonly DraftStage[]): Fault[] {
  const graph = new Map(stages.map((stage) => [stage.name, upstreamOf(draft, stage)]));
  return findCycles(graph).map((cycle) => {
    const stage = draft.stages.get(cycle[0]!)!;
    const next = cycle[1] ?? cycle[0]!;
    // A cycle may run through a scratch model's tokenizer; then the stage's reference is to the model.
    const reference = stage.references.find(({ name }) => name === next)
      ?? stage.references.find(({ name }) => {
        const target = targetOf(draft, name);
        return target?.from === "model" && "tokenizer" in target.entry && target.entry.tokenizer === next;
      });
    return {
      code: "TL_SPEC_CYCLE", path: reference ? pathOf(stage, reference) : ["stages", stage.name],
      message: cycle.length === 1 ? `\`${stage.name}\` waits for itself` : `these stages wait for each other: ${[...cycle, cycle[0]!].map((name) => `\`${name}\``).join(" → ")}`,
      hint: "change one of the references on the way",
    };
  });
}

const typeWords: Readonly<Record<ArtifactType, string>> = {
  tokenizer: "tokenizer", "language-model": "language model", "reward-model": "reward model", "value-model": "value model", preferences: "set of preference pairs", report: "report",
};

const withArticle = (word: string): string => `a ${word}`;

function pathOf(stage: DraftStage, { field, way = [] }: Reference): NonNullable<Fault["path"]> {
  return ["stages", stage.name, field, ...way];
}
