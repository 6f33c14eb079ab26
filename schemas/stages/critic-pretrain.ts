import { z } from "zod";
import { epochCount, rowCount, stepCount, tokenCount } from "../counts.js";
import { guardsSchema } from "../guards.js";
import { dataReferences, mixtureWords, loraParameters, operationalParameters, optimizerParameters, reference, rowLimits, sampling } from "./common.js";
import { lengthPenalty, rewardSchema } from "../reward.js";
import { tricksSchema } from "../tricks.js";

/** What a guard's rollback may change. Tricks with a state of their own would have none to start from. */
const changeable = z.strictObject({
  learningRate: optimizerParameters.learningRate, weightDecay: z.number().min(0),
  tricks: tricksSchema.pick({ gae: true, valueClipping: true, gradientClipping: true }),
}).partial();

export const criticPretrainParameters = z.strictObject({
  kind: z.literal("critic-pretrain"),
  description: z.string().optional(),
  seed: z.number().int().min(0).optional(),
  policy: reference("a language model: the frozen policy whose returns are regressed"),
  reward: rewardSchema,
  init: reference("a reward model, a value model or a language model the critic starts from"),
  prompts: dataReferences("a data entry with prompts").describe(`Name of a data entry with prompts. ${mixtureWords}`),
  steps: stepCount.default(20).describe("Rounds of rollouts."),
  rollouts: rowCount.default(64).describe("Answers a round."),
  epochs: epochCount.default(2).describe("Passes over each round's answers."),
  minibatch: rowCount.default(32).describe("Answers an update."),
  maxNewTokens: tokenCount.default(48),
  ...sampling,
  temperature: z.number().positive().default(0.8).describe("Of sampling, and of every log-probability: policy and reference alike."),
  ...rowLimits,
  lengthPenalty: lengthPenalty.optional(),
  tricks: tricksSchema.pick({ klPenalty: true, rewardScaling: true, rewardNormalization: true, gae: true, valueClipping: true, gradientClipping: true })
    .optional().describe("Shape of the rewards and returns; default as in ppo-max, so that the critic meets PPO's own scale."),
  ...optimizerParameters,
  learningRate: optimizerParameters.learningRate.default(3e-4),
  schedule: optimizerParameters.schedule.default("constant"),
  ...loraParameters,
  guards: guardsSchema("critic-pretrain", changeable),
  ...operationalParameters,
}).describe("Fits a value model to the returns of the frozen policy before the first policy update (P §5.4).");
