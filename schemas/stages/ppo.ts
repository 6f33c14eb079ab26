import { z } from "zod";
import { epochCount, rowCount, stepCount, tokenCount } from "../counts.js";
import { guardsSchema } from "../guards.js";
import { dataReferences, mixtureWords, loraParameters, operationalParameters, optimizerParameters, reference, rowLimits, sampling } from "./common.js";
import { lengthPenalty, rewardSchema } from "../reward.js";
import { tricksSchema } from "../tricks.js";

const { learningRate: _policyRate, maxGradientNorm: _norm, ...optimizer } = optimizerParameters;

export const goldScorers = z.enum(["sample"]);

/** What a guard's rollback may change. Tricks with a state of their own would have none to start from. */
const changeable = z.strictObject({
  policyLearningRate: z.number().positive(), criticLearningRate: z.number().positive(), weightDecay: z.number().min(0),
  temperature: z.number().positive(), missingEndPenalty: z.number().min(0),
  tricks: tricksSchema.pick({
    klPenalty: true, entropyBonus: true, advantageNormalization: true, valueClipping: true, gae: true, clippedSurrogate: true,
    gradientClipping: true, klLoss: true,
  }),
}).partial();

export const ppoParameters = z.strictObject({
  kind: z.literal("ppo"),
  description: z.string().optional(),
  seed: z.number().int().min(0).optional(),
  policy: reference("a language model: where the policy starts"),
  reference: reference("a language model the KL is measured against; default: `policy`").optional(),
  reward: rewardSchema,
  heldOutReward: reference("a reward model that never trains the policy: it scores each iteration's answers as objective/held_out_scores").optional(),
  critic: reference("a value model, a reward model (score head kept) or a language model (fresh head)").optional()
    .describe("Name of a value model, a reward model (score head kept) or a language model (fresh head). Left out exactly where the trick groupBaseline takes its place, as in the presets rloo and grpo."),
  prompts: dataReferences("a data entry with prompts").describe(`Name of a data entry with prompts. ${mixtureWords}`),
  pretrainingData: dataReferences("a data entry with text").optional().describe(`Name of a data entry with text, for the ptx loss. ${mixtureWords}`),
  preset: z.enum(["vanilla", "ppo-max", "moss-rlhf-release", "rloo", "grpo"]).default("ppo-max"),
  tricks: tricksSchema.prefault({}),
  steps: stepCount.default(80).describe("PPO iterations: rollouts, then updates."),
  rollouts: rowCount.default(64).describe("Answers an iteration."),
  epochs: epochCount.default(1).describe("Passes over each iteration's answers."),
  minibatch: rowCount.default(32).describe("Answers an update."),
  maxNewTokens: tokenCount.default(48),
  generation: z.literal("vllm").optional()
    .describe("vLLM samples the answers, on the torch backend and in its processes. It draws other answers than the backends' own sampling does, so the key has it."),
  ...sampling,
  temperature: z.number().positive().default(0.8).describe("Of sampling, and of every log-probability: policy and reference alike."),
  ...rowLimits,
  missingEndPenalty: z.number().min(0).default(0).describe("Taken off the score of an answer cut at maxNewTokens."),
  lengthPenalty: lengthPenalty.optional(),
  ...optimizer,
  schedule: optimizer.schedule.default("constant"),
  policyLearningRate: z.number().positive().default(4e-5),
  criticLearningRate: z.number().positive().default(5e-4),
  gold: goldScorers.optional().describe("Draws this gold score as a curve beside the proxy reward; training never sees it."),
  ...loraParameters,
  guards: guardsSchema("ppo", changeable),
  ...operationalParameters,
}).describe("PPO with the tricks that the preset and `tricks` name; RLOO and GRPO, which share its loop and do without a critic.");
