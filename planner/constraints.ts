import type { ErrorCode } from "../foundation/errors.js";
import type { StageSpec } from "../schemas/spec.js";
import type { PlannedSweep } from "../schemas/sweep.js";
import { scoreJudgeNames, scoreJudges } from "../schemas/stages/evaluate.js";
import { ancestryOf } from "./ancestry.js";
import { criticFaults } from "./critic.js";
import { holdsOut, makerOf, type Draft, type DraftStage, type Reference } from "./draft.js";
import type { Facts } from "./facts.js";
import type { Fault } from "./fault.js";
import { guardFaults } from "./guards.js";
import { loraFaults } from "./lora.js";
import { sizeFaults } from "./model-sizes.js";
import { membersOf } from "./members.js";
import { resolvePpoTricks } from "./presets.js";
import { rewardFaults } from "./rewards.js";
import { goalMetricFaults } from "./sweep/goal-metrics.js";

/** Faults that concern several fields at once, or a field and what it refers to. */
export function constraintFaults(draft: Draft, facts: Facts, sweep?: PlannedSweep): Fault[] {
  return [
    ...[...draft.models].flatMap(([name, entry]) => entry === undefined ? [] : sizeFaults(draft, facts, name, entry)),
    ...[...draft.stages.values()].flatMap((stage) => stage?.complete === undefined
      ? []
      : [...stageFaults(draft, stage, stage.complete), ...lengthFaults(draft, facts, stage, stage.complete), ...guardFaults(draft, facts, stage, stage.complete), ...tokenizerFaults(draft, facts, stage), ...backendFaults(draft, facts, stage, stage.complete), ...resourceFaults(stage, stage.complete), ...loraFaults(draft, facts, stage, stage.complete), ...rewardFaultsOf(stage, stage.complete)]),
    ...(sweep === undefined ? [] : goalMetricFaults(draft, facts, sweep)),
  ];
}

/** Models that go back to a directory which the embedded backend refuses are for the torch backend alone. */
function backendFaults(draft: Draft, facts: Facts, { name: stage, references }: DraftStage, { resources }: StageSpec): Fault[] {
  if (resources.backend === "torch") return [];
  return references.filter(({ declaration }) => "accepts" in declaration).flatMap(({ field, name }): Fault[] => {
    const refusal = facts.models.get(ancestryOf(draft, facts, name)?.root ?? "")?.refusal;
    return refusal === undefined ? [] : [{ code: "TL_MODEL_UNSUPPORTED", path: ["stages", stage, field], message: refusal.message, ...(refusal.hint !== undefined && { hint: refusal.hint }) }];
  });
}

function rewardFaultsOf(stage: DraftStage, complete: StageSpec): Fault[] {
  return "reward" in complete && complete.reward !== undefined ? rewardFaults(stage, complete.reward, complete.kind) : [];
}

/** The tricks of a ppo stage as written, whatever stands there. */
export function writtenTricks(stage: DraftStage): Readonly<Record<string, unknown>> {
  return membersOf(stage.written["tricks"]);
}

function stageFaults(draft: Draft, stage: DraftStage, complete: StageSpec): Fault[] {
  const fault = (code: ErrorCode, way: readonly (string | number)[], message: string, hint: string, part: "key" | "value" = "value"): Fault =>
    ({ code, path: ["stages", stage.name, ...way], part, message, hint });
  switch (complete.kind) {
    case "ppo": {
      const written = writtenTricks(stage);
      const on = resolvePpoTricks(complete.preset, written, true);
      const faults: Fault[] = [];
      if (on.adaptiveKl && !on.klPenalty?.coefficient) {
        faults.push(fault("TL_SPEC_CONFLICT", ["tricks", "adaptiveKl"], "`adaptiveKl` steers the coefficient of `klPenalty`, which is off",
          "add `\"klPenalty\": {}`, or turn `adaptiveKl` off", "key"));
      }
      if (typeof written["pretrainingLoss"] === "object" && complete.pretrainingData === undefined) {
        faults.push(fault("TL_SPEC_CONFLICT", ["tricks", "pretrainingLoss"], "`pretrainingLoss` is on, and the stage names no `pretrainingData`",
          "name a data entry with text in `pretrainingData`", "key"));
      }
      if (stage.references.some(({ field, name }) => field === "reward" && name === complete.heldOutReward)) {
        faults.push(fault("TL_SPEC_CONFLICT", ["heldOutReward"], `\`${complete.heldOutReward}\` trains the policy, so its score is not held out`,
          "name a reward model that was trained apart, such as one with another seed"));
      }
      if (complete.generation === "vllm" && complete.resources.backend !== "torch") {
        faults.push(fault("TL_SPEC_CONFLICT", ["generation"], "vLLM samples for the torch backend, and the stage computes on the embedded one",
          "add `\"backend\": \"torch\"` to its `resources`, or leave `generation` out"));
      }
      return [...faults, ...minibatchFaults(stage, complete), ...criticFaults(stage, complete, on)];
    }
    case "critic-pretrain":
      return minibatchFaults(stage, complete);
    case "evaluate": {
      const faults = stage.references.flatMap((reference) => heldOutFaults(draft, stage, reference));
      const names = (complete.judges ?? []).map((judge) => typeof judge === "string" ? judge : judge.name);
      for (const [index, judge] of (complete.judges ?? []).entries()) {
        const field = typeof judge === "string" ? scoreJudges[judge] : undefined;
        if (field !== undefined && complete[field] === undefined) {
          faults.push(fault("TL_SPEC_CONFLICT", ["judges", index], `the judge \`${names[index]!}\` needs \`${field}\`, which the stage does not give`,
            field === "gold" ? "name a scorer in `gold`, such as \"sample\"" : `name a reward model in \`${field}\``));
        }
        if (names.indexOf(names[index]!) < index || (field === undefined && scoreJudgeNames.safeParse(names[index]).success)) {
          faults.push(fault("TL_SPEC_CONFLICT", ["judges", index, ...(field === undefined ? ["name"] : [])], `a judge is named \`${names[index]!}\` already`, "leave one of them out, or give it another name"));
        }
      }
      if (complete.heldOutReward !== undefined && !complete.judges?.includes("held-out-reward-model")) {
        faults.push(fault("TL_SPEC_CONFLICT", ["heldOutReward"], "a held-out reward model judges only where `judges` names it",
          "add `\"judges\": [\"held-out-reward-model\"]`, or leave it out", "key"));
      }
      if (complete.heldOutReward !== undefined && complete.heldOutReward === complete.reward) {
        faults.push(fault("TL_SPEC_CONFLICT", ["heldOutReward"], `\`${complete.heldOutReward}\` is \`reward\` too, so nothing is held out`,
          "name a reward model that was trained apart, such as one with another seed"));
      }
      if (complete.pairs !== undefined && typeof complete.reward === "object") {
        faults.push(fault("TL_SPEC_CONFLICT", ["pairs"], "`pairs` gives a reward model's accuracy, and `reward` is none", "leave `pairs` out, or name a reward model"));
      }
      if (complete.gold === undefined && complete.reward === undefined && complete.judges === undefined) {
        faults.push(fault("TL_SPEC_CONFLICT", [], "nothing judges the answers", "name a reward model in `reward`, or a scorer in `gold`", "key"));
      }
      return faults;
    }
    case "reward-accuracy": {
      const named = stage.references.filter(({ field }) => field === "pairs");
      const twice = named.filter(({ name }, index) => named.findIndex((other) => other.name === name) < index);
      return [
        ...named.flatMap((reference) => heldOutFaults(draft, stage, reference)),
        ...twice.map(({ field, way = [], name }) => fault("TL_SPEC_CONFLICT", [field, ...way], `\`${name}\` is named twice, and its pairs count once`, "leave one of them out")),
      ];
    }
    case "preferences": {
      const needed = complete.judge === undefined ? undefined : scoreJudges[complete.judge];
      if (needed !== undefined && complete[needed] === undefined) {
        return [fault("TL_SPEC_CONFLICT", ["judge"], `the judge \`${complete.judge!}\` needs \`${needed}\`, which the stage does not give`,
          needed === "gold" ? "name a scorer in `gold`, such as \"sample\"" : "name a reward model in `reward`")];
      }
      return complete.gold === undefined && complete.reward === undefined
        ? [fault("TL_SPEC_CONFLICT", [], "nothing labels the pairs", "name a reward model in `reward`, or a scorer in `gold`", "key")] : [];
    }
    case "dpo":
      return complete.labelSmoothing > 0 && complete.loss !== "sigmoid"
        ? [fault("TL_SPEC_CONFLICT", ["labelSmoothing"], `\`labelSmoothing\` is of the loss \`sigmoid\`, and \`loss\` is \`${complete.loss}\``, "leave it out, or take the loss `sigmoid`")] : [];
    case "reward-model":
      return complete.maxPairs !== undefined && stage.references.some(({ weight }) => weight !== undefined)
        ? [fault("TL_SPEC_CONFLICT", ["maxPairs"], "`maxPairs` chooses pairs before a mixture draws them by weight", "leave it out, and write `maxSteps` to train for less")] : [];
    case "multiple-choice":
      return stage.written["fewShot"] !== undefined && complete.fewShot > 0 && complete.shots === undefined
        ? [fault("TL_SPEC_CONFLICT", ["fewShot"], `\`fewShot\` asks for ${complete.fewShot} examples before a question, and the stage names no \`shots\``, "name a data entry with other questions in `shots`, or leave `fewShot` out")] : [];
    case "tokenizer": case "pretrain": case "sft":
      return [];
  }
}

/** Data that a stage measures on has to hold rows out. */
function heldOutFaults(draft: Draft, { name: stage }: DraftStage, { field, way = [], name, declaration }: Reference): Fault[] {
  return !("data" in declaration) || holdsOut(draft, name) ? [] : [{
    code: "TL_SPEC_CONFLICT", path: ["stages", stage, field, ...way], part: "value",
    message: `evaluation uses held-out rows alone, and \`${name}\` holds none out`, hint: holdoutHint(draft, name),
  }];
}

/** Where rows are to be held out that a stage wants. */
function holdoutHint(draft: Draft, name: string): string {
  const maker = makerOf(draft, name);
  return maker === undefined ? `give the data entry \`${name}\` a \`holdout\`, such as 0.1`
    : `it holds out what its prompts do: give their data entry a \`holdout\`, such as 0.1${maker.written["maxHeldOutPrompts"] === 0 ? ", and the stage a `maxHeldOutPrompts` above 0" : ""}`;
}

/** A minibatch that was asked for and can't be had. */
function minibatchFaults(stage: DraftStage, { minibatch, rollouts }: Extract<StageSpec, { readonly minibatch: number }>): Fault[] {
  return stage.written["minibatch"] === undefined || minibatch <= rollouts ? [] : [{
    code: "TL_SPEC_WRONG_VALUE", path: ["stages", stage.name, "minibatch"],
    message: `\`minibatch\` is ${minibatch}, and a step has only ${rollouts} answers (\`rollouts\`)`, hint: `write at most ${rollouts}, or more \`rollouts\``,
  }];
}

/** Lengths against the context of the model that they are for. */
function lengthFaults(draft: Draft, facts: Facts, stage: DraftStage, complete: StageSpec): Fault[] {
  const field = (["model", "policy", "candidate"] as const).find((each) => typeof stage.written[each] === "string");
  const name = field === undefined ? undefined : stage.written[field];
  const context = typeof name === "string" ? ancestryOf(draft, facts, name)?.context : undefined;
  if (context === undefined) return [];
  const limits = [
    ["length", "length" in complete ? complete.length : undefined, context],
    ["maxTokens", "maxTokens" in complete ? complete.maxTokens : undefined, context],
    ["maxNewTokens", "maxNewTokens" in complete ? complete.maxNewTokens : undefined, context - 1],
  ] as const;
  return limits.flatMap(([limited, value, most]): Fault[] => value === undefined || value <= most ? [] : [{
    code: "TL_SPEC_WRONG_VALUE", path: ["stages", stage.name, limited], ...(stage.written[limited] === undefined && { part: "key" }),
    message: `\`${limited}\` is ${value}${stage.written[limited] === undefined ? " by default" : ""}, and the context of \`${String(name)}\` is ${context} tokens`,
    hint: `write at most ${most}`,
  }]);
}

/** What a worker is asked for has to hang together. */
function resourceFaults({ name }: DraftStage, { resources: { gpus, memory } }: StageSpec): Fault[] {
  return memory === undefined || gpus > 0 ? [] : [{
    code: "TL_SPEC_CONFLICT", path: ["stages", name, "resources", "memory"],
    message: "`memory` says how much each GPU has to have, and the stage takes no GPU", hint: "add `\"gpus\": 1`, or leave `memory` out",
  }];
}

/** Within PPO, DPO and critic pretraining models read each other's tokens. */
function tokenizerFaults(draft: Draft, facts: Facts, stage: DraftStage): Fault[] {
  if (stage.kind !== "ppo" && stage.kind !== "critic-pretrain" && stage.kind !== "dpo") return [];
  const policy = stage.references.find(({ field }) => field === "policy");
  const own = policy && ancestryOf(draft, facts, policy.name)?.tokenizer;
  if (own === undefined) return [];
  return stage.references.flatMap(({ field, name, declaration }): Fault[] => {
    const other = "accepts" in declaration ? ancestryOf(draft, facts, name)?.tokenizer : undefined;
    return other === undefined || other === own ? [] : [{
      code: "TL_SPEC_TOKENIZERS", path: ["stages", stage.name, field],
      message: `\`${name}\` and the policy \`${policy!.name}\` have different tokenizers; they read the same tokens`,
    }];
  });
}
