import type { StageSpec } from "../schemas/spec.js";
import type { ResolvedTricks } from "../schemas/tricks.js";
import type { DraftStage } from "./draft.js";
import type { Fault } from "./fault.js";
import { membersOf } from "./members.js";

type PpoSpec = Extract<StageSpec, { readonly kind: "ppo" }>;

/** A ppo stage has a critic exactly where no answer is measured against others: what is missing, in excess, or hangs on the other of the two. */
export function criticFaults(stage: DraftStage, complete: PpoSpec, on: ResolvedTricks): Fault[] {
  return on.groupBaseline === undefined ? faultsWithCritic(stage, complete, on) : faultsWithoutCritic(stage, complete, on, on.groupBaseline);
}

function faultsWithCritic({ name }: DraftStage, { critic }: PpoSpec, on: ResolvedTricks): Fault[] {
  const faults: Fault[] = [];
  if (critic === undefined) {
    faults.push({
      code: "TL_SPEC_MISSING_FIELD", path: ["stages", name, "critic"], part: "key", message: "`critic` is missing from the `ppo` stage",
      hint: "name a value model, a reward model or a language model, or take the preset `rloo` or `grpo`, which do without",
    });
  }
  if (on.sequenceRatio !== undefined) {
    faults.push({
      code: "TL_SPEC_CONFLICT", path: ["stages", name, "tricks", "sequenceRatio"], part: "key",
      message: "`sequenceRatio` weighs whole answers, and without `groupBaseline` each of their tokens has an advantage of its own",
      hint: "turn `groupBaseline` on, or `sequenceRatio` off",
    });
  }
  return faults;
}

function faultsWithoutCritic(stage: DraftStage, { rollouts }: PpoSpec, on: ResolvedTricks, { samples }: NonNullable<ResolvedTricks["groupBaseline"]>): Fault[] {
  const path = (...way: readonly string[]): string[] => ["stages", stage.name, ...way];
  const tricks = membersOf(stage.written["tricks"]);
  const unused = (["critic", "criticLearningRate"] as const).filter((field) => stage.written[field] !== undefined);
  const readers = (["gae", "valueClipping", "groupInvariance"] as const).filter((name) => on[name] !== undefined);
  const faults = [
    ...unused.map((field): Fault => ({
      code: "TL_SPEC_CONFLICT", path: path(field), part: "key", message: `nothing would use \`${field}\`: \`groupBaseline\` takes the critic's place`,
      hint: `leave \`${field}\` out, or turn \`groupBaseline\` off`,
    })),
    ...readers.map((name): Fault => ({
      code: "TL_SPEC_CONFLICT", path: path("tricks", tricks[name] === undefined ? "groupBaseline" : name), part: "key",
      message: `\`${name}\` reads ${name === "groupInvariance" ? "a critic's features" : "a critic's values"}, and \`groupBaseline\` takes the critic's place`, hint: name === "groupInvariance" ? "turn one of the two off" : `write \`"${name}": false\`, or take the preset \`rloo\` or \`grpo\``,
    })),
  ];
  if (rollouts % samples !== 0) {
    faults.push({
      code: "TL_SPEC_WRONG_VALUE", path: stage.written["rollouts"] === undefined ? path("tricks", "groupBaseline") : path("rollouts"),
      message: `\`rollouts\` is ${rollouts}, and \`groupBaseline\` samples ${samples} answers to each prompt`, hint: `write a multiple of ${samples}`,
    });
  }
  return faults;
}
