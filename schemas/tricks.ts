import { z } from "zod";
import { rowCount, stepCount, tokenCount } from "./counts.js";

const positive = z.number().positive();
const fraction = z.number().min(0).max(1);

/**
 * Parameters of every PPO trick. One schema a trick; `tricks` in a spec turns one on with an object (missing members
 * take the preset's value, then the default here) and off with `false`. Numbers in comments are rows of P figure 5.
 */
export const trickParameters = {
  /** #1 */
  klPenalty: z.strictObject({
    coefficient: z.number().min(0).default(0.05).describe("η: weight of log π − log π_ref in each token's reward."),
  }).describe("Token-level KL penalty against the reference (P eq. 19), by the k1 estimate log π − log π_ref of the sampled tokens, which is what `objective/kl` reports and may be below zero for some answers. The key factor for stability."),
  adaptiveKl: z.strictObject({
    target: positive.default(6).describe("KL per answer, in nats, that the coefficient is steered to."),
    horizon: positive.default(10000).describe("Number of answers over which it is steered."),
  }).describe("Adapts η: β ← β · (1 + clip(KL/target − 1, ±0.2) · n/horizon). Needs klPenalty, whose coefficient it starts from."),
  /** #2 */
  referenceSampling: z.strictObject({})
    .describe("Importance sampling against the fixed reference instead of the rollout policy (P: 'infinite buffer')."),
  /** #3 */
  entropyBonus: z.strictObject({
    coefficient: positive.default(0.01),
    clip: positive.default(30).describe("Entropy above this many nats earns no more."),
  }).describe("Adds the policy's entropy to its objective. Not recommended by P."),
  /** #4 */
  rewardScaling: z.strictObject({
    clip: positive.optional().describe("Clips the scaled reward to ±clip; absent: no clipping."),
  }).describe("Divides rewards by the running std of the discounted return, without a shift of the mean."),
  /** #5 */
  rewardNormalization: z.strictObject({
    clip: positive.default(0.8).describe("δ: bound of the normalised reward."),
  }).describe("r̃ = clip((r − mean)/std, ±δ) over the history of the run (P eq. 18)."),
  /** #6 */
  advantageNormalization: z.strictObject({
    clip: positive.optional().describe("δ: bound of the normalised advantage; absent: no clipping."),
  }).describe("Advantages to mean 0 and variance 1 over the batch's response tokens, then clipped."),
  /** #7 */
  valueClipping: z.strictObject({
    range: positive.default(0.2),
  }).describe("Value loss ½ max((V − R)², (clip(V, V_old ± range) − R)²)."),
  /** #10 */
  gae: z.strictObject({
    lambda: fraction.default(0.9),
    gamma: fraction.default(1),
  }).describe("Generalised advantage estimation; off: the whole return minus the value (λ = 1, γ = 1)."),
  /** #11 */
  clippedSurrogate: z.strictObject({
    range: positive.default(0.2),
  }).describe("Policy loss max(−Aρ, −A · clip(ρ, 1 ± range)); off: −Aρ."),
  /** #12 */
  gradientClipping: z.strictObject({
    norm: positive.default(1),
  }).describe("Scales policy and critic gradients down to this global norm."),
  pretrainingLoss: z.strictObject({
    coefficient: positive.default(0.1).describe("λ_ptx."),
    rows: rowCount.default(16).describe("Rows of packed text an update."),
    length: tokenCount.min(8).default(64).describe("Tokens a row."),
  }).describe("PPO-ptx: adds cross-entropy on the stage's `pretrainingData` to the policy loss (P eq. 17)."),
  groupBaseline: z.strictObject({
    samples: z.number().int().min(2).default(4).describe("Answers sampled to each prompt; divides `rollouts`."),
    baseline: z.enum(["leave-one-out", "mean"]).default("leave-one-out")
      .describe("What an answer's return is measured against: the mean of the prompt's other answers (RLOO), or of all (GRPO)."),
    scale: z.boolean().default(false).describe("Divides by the standard deviation of the prompt's returns (GRPO); without it, as Dr. GRPO has it."),
  }).describe("Takes the place of the critic: several answers a prompt, and an answer's whole return against those of the others is the advantage of each of its tokens. The stage then names no `critic`."),
  klLoss: z.strictObject({
    coefficient: positive.default(0.04).describe("β: weight of the KL in the loss."),
  }).describe("KL to the reference in the policy's loss instead of the reward, by the k3 estimate e^d − d − 1 with d = log π_ref − log π of each sampled token (GRPO)."),
  sequenceRatio: z.strictObject({})
    .describe("The ratio, and its clip, is that of whole answers: e to the sum over tokens of log π − log π_old; the surrogate's loss is a mean over answers (RLOO). Needs groupBaseline."),
  lossAggregation: z.strictObject({
    mode: z.enum(["answer-mean", "answer-sum"]).default("answer-mean")
      .describe("Mean over answers of the mean over their tokens (GRPO), or of the sum over their tokens (Dr. GRPO)."),
  }).describe("How the policy's loss weighs tokens; off: all tokens of a minibatch alike, whatever their answer's length."),
  groupInvariance: z.strictObject({
    coefficient: z.number().min(0).default(0.5).describe("β_policy: weight of the variance between the groups in the policy's objective. 0.5 is our choice."),
    klWeight: z.enum(["probability", "balanced", "off"]).default("probability")
      .describe("What an answer's KL penalty is multiplied by: its probability of the high group, which about halves the penalty; that over its mean, which keeps it; or nothing."),
    classifierLearningRate: positive.default(0.1).describe("Of the group classifier's plain gradient ascent. Our choice."),
    classifierSteps: stepCount.default(10).describe("Its steps over each iteration's answers. Our choice."),
    classifierWeightDecay: z.number().min(0).default(0.01).describe("Our choice."),
  }).describe("Group-invariant learning, after arXiv 2310.11971: a classifier on the critic's features finds two groups of answers with the greatest variance of returns between them; the policy is to have little of it, and keeps to the reference where returns are high."),
} as const;

export type TrickName = keyof typeof trickParameters;
export type TrickParameters = { readonly [Name in TrickName]: z.output<(typeof trickParameters)[Name]> };
/** The tricks that are on, with complete parameters. */
export type ResolvedTricks = Partial<TrickParameters>;

export const trickNames = Object.keys(trickParameters) as TrickName[];

/** What a spec may write under `tricks`. */
export const tricksSchema = z.strictObject({
  klPenalty: toggle("klPenalty"),
  adaptiveKl: toggle("adaptiveKl"),
  referenceSampling: toggle("referenceSampling"),
  entropyBonus: toggle("entropyBonus"),
  rewardScaling: toggle("rewardScaling"),
  rewardNormalization: toggle("rewardNormalization"),
  advantageNormalization: toggle("advantageNormalization"),
  valueClipping: toggle("valueClipping"),
  gae: toggle("gae"),
  clippedSurrogate: toggle("clippedSurrogate"),
  gradientClipping: toggle("gradientClipping"),
  pretrainingLoss: toggle("pretrainingLoss"),
  groupBaseline: toggle("groupBaseline"),
  klLoss: toggle("klLoss"),
  sequenceRatio: toggle("sequenceRatio"),
  lossAggregation: toggle("lossAggregation"),
  groupInvariance: toggle("groupInvariance"),
}).partial();

const resolvedTricksSchema = z.strictObject(trickParameters).partial();

/** Leaves out the tricks that `false` turns off. */
export function tricksThatAreOn(tricks: z.output<typeof tricksSchema>): ResolvedTricks {
  return resolvedTricksSchema.parse(Object.fromEntries(Object.entries(tricks).filter(([, parameters]) => parameters !== false)));
}

function toggle<Name extends TrickName>(name: Name) {
  const schema: (typeof trickParameters)[Name] = trickParameters[name];
  return z.union([z.literal(false), schema]).describe(schema.description ?? name);
}
