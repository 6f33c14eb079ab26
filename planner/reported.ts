import { combinedOf, termName, termsOf, type RewardTerm } from "../schemas/reward.js";
import { stageFigures, stageMetrics, trainingMetrics } from "../schemas/metrics.js";
import type { StageSpec } from "../schemas/spec.js";
import type { ResolvedTricks } from "../schemas/tricks.js";
import { ancestryOf } from "./ancestry.js";
import { holdsOut, type Draft, type DraftStage } from "./draft.js";
import type { Facts } from "./facts.js";
import { membersOf } from "./members.js";
import { resolveCriticTricks, resolvePpoTricks } from "./presets.js";

type Evaluate = Extract<StageSpec, { readonly kind: "evaluate" }>;
type Rollouts = Extract<StageSpec, { readonly kind: "ppo" | "critic-pretrain" }>;
/** What figures need: whether the stage has it, and what to do where it has not. */
type Needs = Readonly<Record<string, readonly [has: boolean, hint: string]>>;

/** The metrics that a stage writes at its steps, with some setting or other; none of a kind that does not train. */
export function metricsOf(complete: StageSpec): string[] {
  return [...trainingMetrics(complete.kind), ...termMetrics(complete)];
}

/** The figures that a stage may leave: what its results can be sorted by. */
export function figuresOf(complete: StageSpec): string[] {
  const judges = complete.kind === "evaluate" ? (complete.judges ?? []).map((judge) => typeof judge === "string" ? judge : judge.name) : [];
  const sets = complete.kind === "reward-accuracy" ? [complete.pairs].flat().flatMap((name) => ["", "_low", "_high"].map((bound) => `pairs/${name}/accuracy${bound}`)) : [];
  return [...stageFigures(complete.kind), ...termMetrics(complete), ...sets, ...judges.flatMap((judge) => ["win", "tie", "lose"].map((rate) => `judge/${judge}/${rate}_rate`))];
}

/** Each term of a reward of several has its own mean score, and if it is a judge its own share of unreadable replies. */
function termMetrics(complete: StageSpec): string[] {
  if (complete.kind !== "ppo" && complete.kind !== "critic-pretrain") return [];
  const { terms = [] } = combinedOf(complete.reward) ?? {};
  return terms.flatMap((term, index) => {
    const name = termName(term, index);
    return [`objective/scores/${name}`, ...isJudge(term) ? [`objective/unreadable/${name}`] : []];
  });
}

const isJudge = (term: RewardTerm | undefined): boolean => typeof term === "object" && "judge" in term;

/** What has to be in a stage for it to report one of its metrics or figures; undefined where nothing is missing. */
export function whatItTakes(draft: Draft, facts: Facts, stage: DraftStage, complete: StageSpec, metric: string): string | undefined {
  const [has, hint] = needsOf(draft, facts, stage, complete)[metric] ?? [true];
  return has ? undefined : hint;
}

function needsOf(draft: Draft, facts: Facts, stage: DraftStage, complete: StageSpec): Needs {
  switch (complete.kind) {
    case "ppo": case "critic-pretrain": return rolloutNeeds(stage, complete);
    case "preferences": return {
      "preferences/held_out_pairs": [holdsOut(draft, stage.name), "give the data entry of its prompts a `holdout`"],
      "preferences/unreadable": [isJudge(complete.reward), "only a reward that is a `judge` has replies"],
      "preferences/gold_agreement": [complete.judge === "reward-model" && complete.gold !== undefined, "name a scorer in `gold`, and write `\"judge\": \"reward-model\"`"],
    };
    case "evaluate": return evaluationNeeds(draft, facts, complete);
    case "reward-model": return { ...heldOutNeeds(draft, stage, complete), "loss/lm": [complete.lmCoefficient > 0, "`lmCoefficient` is 0; set it above"] };
    case "pretrain": case "sft": case "dpo": return heldOutNeeds(draft, stage, complete);
    case "multiple-choice": return needAlike(stageFigures(complete.kind).filter((name) => name.includes("normalized")), complete.scoring === "text", "write `\"scoring\": \"text\"`");
    case "tokenizer": case "reward-accuracy": return {};
  }
}

const needAlike = (names: readonly string[], has: boolean, hint: string): Needs => Object.fromEntries(names.map((name) => [name, [has, hint] as const]));

function heldOutNeeds(draft: Draft, stage: DraftStage, complete: StageSpec): Needs {
  const names = stage.references.flatMap(({ name, declaration }) => "data" in declaration ? [name] : []);
  const held = names.some((name) => holdsOut(draft, name));
  return needAlike(metricsOf(complete).filter((name) => name.includes("held_out")), held, `give the data entry ${names.map((name) => `\`${name}\``).join(" or ")} a \`holdout\``);
}

function rolloutNeeds(stage: DraftStage, complete: Rollouts): Needs {
  const on = tricksOf(stage, complete);
  const { topP, topK, repetitionPenalty } = complete;
  return {
    "objective/unreadable": [termsOf(complete.reward).some(isJudge), "only a reward that is a `judge` has replies"],
    "objective/gold": ["gold" in complete && complete.gold !== undefined, "name a scorer in `gold`"],
    "objective/held_out_scores": ["heldOutReward" in complete && complete.heldOutReward !== undefined, "name a reward model in `heldOutReward`"],
    "objective/filter_discrepancy": [topP < 1 || topK > 0 || repetitionPenalty !== 1, "there is none without `topP`, `topK` or `repetitionPenalty`"],
    "objective/kl_coefficient": [on.klPenalty !== undefined, "turn the trick `klPenalty` on"],
    "reward/running_mean": [on.rewardNormalization !== undefined, "turn the trick `rewardNormalization` on"],
    "reward/running_std": [on.rewardNormalization !== undefined || on.rewardScaling !== undefined, "turn `rewardNormalization` or `rewardScaling` on"],
    ...needAlike(["val/explained_variance", "val/clipfrac", "loss/value", "value/gradient_norm"], on.groupBaseline === undefined, "the trick `groupBaseline` takes the critic's place"),
    ...needAlike(["samples/return_std", "samples/alike"], on.groupBaseline !== undefined, "turn the trick `groupBaseline` on"),
    ...needAlike(Object.keys(stageMetrics.ppo).filter((name) => name.startsWith("group/")), on.groupInvariance !== undefined, "turn the trick `groupInvariance` on"),
    "loss/kl": [on.klLoss !== undefined, "turn the trick `klLoss` on"],
    "loss/pretraining": [on.pretrainingLoss !== undefined, "turn the trick `pretrainingLoss` on, and name `pretrainingData`"],
  };
}

function evaluationNeeds(draft: Draft, facts: Facts, { gold, reward, pairs, candidate, baseline }: Evaluate): Needs {
  const [own, other] = [candidate, baseline].map((name) => typeof name === "string" ? ancestryOf(draft, facts, name)?.tokenizer : undefined);
  const differ = own !== undefined && other !== undefined && own !== other;
  const isChat = typeof baseline === "object" && "chat" in baseline;
  return {
    ...needAlike(["eval/gold", "eval/gold_baseline"], gold !== undefined, "name a scorer in `gold`"),
    ...needAlike(["eval/proxy", "eval/proxy_baseline"], reward !== undefined, "name a reward model in `reward`"),
    "eval/unreadable": [isJudge(reward), "only a reward that is a `judge` has replies"],
    "rm/accuracy": [pairs !== undefined && typeof reward === "string", "name a reward model in `reward`, and a data entry with pairs in `pairs`"],
    ...needAlike(["eval/kl", "eval/kl_per_token"], typeof baseline === "string" && !differ, "name a model with the candidate's tokenizer in `baseline`"),
    "eval/perplexity_baseline": [!isChat && !differ, "name a model with the candidate's tokenizer, or a file of answers, in `baseline`"],
  };
}

/** The tricks that are on in a stage; none of kinds that have none. */
export function tricksOf(stage: DraftStage, complete: StageSpec): ResolvedTricks {
  const written = membersOf(stage.written["tricks"]);
  switch (complete.kind) {
    case "ppo": return resolvePpoTricks(complete.preset, written, complete.pretrainingData !== undefined);
    case "critic-pretrain": return resolveCriticTricks(written);
    case "tokenizer": case "pretrain": case "sft": case "reward-model": case "dpo": case "preferences": case "evaluate": case "reward-accuracy": case "multiple-choice": return {};
  }
}
