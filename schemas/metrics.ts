/** Figures of the answers of an iteration, under the policy that sampled them. */
const answers = {
  "objective/scores": "mean normalised score, without penalties",
  "objective/scores_std": "its standard deviation over the answers",
  "objective/unreadable": "share of the replies of a judge that held no number of its scale; where it was asked",
  "objective/kl": "nats of log π − log π_ref summed over an answer, mean over answers",
  "objective/kl_per_token": "the same, mean over tokens",
  "objective/filter_discrepancy": "nats a token by which top-p, top-k or a repetition penalty make the sampler differ from the policy",
  "response/length": "tokens an answer, its end token included",
  "response/perplexity": "exp(mean negative log-likelihood of a token) under the policy itself",
  "response/unfinished": "share of answers cut at maxNewTokens",
  "objective/reward": "mean score after the reward tricks",
  "reward/running_mean": "mean score of the run so far",
  "reward/running_std": "its standard deviation",
  "val/explained_variance": "share of the returns' variance that the critic explains",
  "loss/value": "the critic's loss",
  "value/gradient_norm": "its gradient's norm before clipping",
  "val/clipfrac": "share of tokens whose value left the clip range",
} as const;

const supervised = {
  learning_rate: "the learning rate of the step",
  gradient_norm: "the gradient's norm before clipping",
  tokens: "tokens of the batch",
} as const;

/**
 * What the stage kinds that train write into metrics.jsonl, by name, with meaning and unit. Guards may watch these and no
 * others. Some are there only with a setting or at some steps; the planner knows which.
 */
export const stageMetrics = {
  pretrain: {
    "loss/lm": "mean negative log-likelihood of a token, nats",
    "lm/perplexity": "exp of it",
    "lm/held_out_loss": "the same on held-out text, five times in a stage",
    "lm/held_out_perplexity": "exp of it",
    ...supervised,
  },
  sft: {
    "loss/sft": "mean negative log-likelihood of an answer token, nats",
    "sft/perplexity": "exp of it",
    "sft/held_out_loss": "the same on held-out dialogues, five times in a stage",
    "sft/held_out_perplexity": "exp of it",
    ...supervised,
  },
  "reward-model": {
    "loss/reward": "mean of −log σ(r_w − r_l)",
    "rm/accuracy": "share of the batch's pairs in the right order",
    "rm/margin": "mean of r_w − r_l",
    "loss/lm": "mean negative log-likelihood of a chosen answer's token, nats",
    "rm/held_out_accuracy": "share of held-out pairs in the right order, five times in a stage",
    "rm/held_out_margin": "mean of r_w − r_l on held-out pairs",
    ...supervised,
  },
  "critic-pretrain": { ...answers, "objective/kl_coefficient": "η of the KL penalty", learning_rate: "the learning rate of the step" },
  ppo: {
    ...answers,
    "objective/gold": "mean gold score, which no stage trains on",
    "objective/held_out_scores": "mean normalised score of the held-out reward model",
    "objective/kl_coefficient": "η of the KL penalty",
    "objective/entropy": "the policy's entropy, nats a token",
    "group/variance": "variance of returns between the two groups of groupInvariance",
    "group/explained": "its share of the returns' variance; of answers that the classifier has not seen",
    "group/high_share": "share of answers in the group of higher return",
    "group/high_return": "mean return of that group",
    "group/low_return": "mean return of the other",
    "group/high_kl": "nats of KL an answer, mean over the group of higher return",
    "group/low_kl": "the same over the other",
    "loss/policy": "the policy's loss",
    "loss/pretraining": "negative log-likelihood of a token of pretraining text, nats",
    "loss/kl": "e^d − d − 1 with d = log π_ref − log π, the k3 estimate of the KL, mean over tokens",
    "policy/gradient_norm": "the policy's gradient norm before clipping",
    "policy/approxkl": "½ (log π − log π_old)², mean over tokens",
    "policy/clipfrac": "share of tokens, with sequenceRatio of answers, whose ratio left the clip range",
    "val/ratio": "mean of π / π_old, of tokens or with sequenceRatio of answers",
    "samples/return_std": "standard deviation of the returns of a prompt's answers, mean over prompts",
    "samples/alike": "share of prompts whose answers all return the same and so teach nothing",
    learning_rate: "the policy's learning rate of the step",
  },
  dpo: {
    "loss/dpo": "mean loss of a pair",
    "rewards/chosen": "mean of β log π/π_ref of the chosen answers; of the loss ipo, here and below, per token",
    "rewards/rejected": "the same of the rejected answers",
    "rewards/accuracies": "share of the batch's pairs whose chosen answer has the larger reward",
    "rewards/margins": "mean of the chosen answer's reward less the rejected one's",
    "logps/chosen": "mean log-probability of the chosen answers under the policy, nats",
    "logps/rejected": "the same of the rejected answers",
    "rewards/held_out_accuracies": "share of held-out pairs in the right order, five times in a stage",
    "rewards/held_out_margins": "mean margin on held-out pairs",
    ...supervised,
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;

export type GuardedKind = keyof typeof stageMetrics;

const sided = (names: readonly string[]): string[] => names.flatMap((name) => [name, `${name}_baseline`]);

/** What an evaluation's result says, by name. */
export const evaluationFigures: readonly string[] = [
  "eval/win_rate", "eval/win_rate_low", "eval/win_rate_high", "eval/tie_rate", "eval/lose_rate",
  "eval/net_win_rate", "eval/net_win_rate_low", "eval/net_win_rate_high", ...sided(["eval/gold", "eval/proxy"]),
  "eval/kl", "eval/kl_per_token", ...sided(["eval/length", "eval/perplexity", "eval/unfinished"]), "eval/unreadable", "rm/accuracy",
];

/** What a multiple-choice stage's result says, by name. */
export const choiceFigureNames: readonly string[] = [
  ...["choice/accuracy", "choice/normalized_accuracy"].flatMap((name) => [name, `${name}_low`, `${name}_high`]), "choice/chance", "choice/questions",
];

/** What the result of a preferences stage says, by name. */
const preferenceFigureNames: readonly string[] = [
  "pairs", "held_out_pairs", "score", "score_std", "length", "longer_preferred", "gold_agreement", "unreadable",
].map((name) => `preferences/${name}`);

/** The metrics that a stage kind writes at its steps, with some setting or other; none of a kind that does not train. */
export function trainingMetrics(kind: string): readonly string[] {
  return Object.keys(Object.entries(stageMetrics).find(([name]) => name === kind)?.[1] ?? {});
}

/** The figures that results of a stage kind can be sorted by, with some setting or other; of an evaluation's judges there are more. */
export function stageFigures(kind: string): readonly string[] {
  switch (kind) {
    case "evaluate": return evaluationFigures;
    case "multiple-choice": return choiceFigureNames;
    case "preferences": return preferenceFigureNames;
    case "reward-accuracy": return ["rm/accuracy", "rm/accuracy_low", "rm/accuracy_high"];
    default: return trainingMetrics(kind);
  }
}
