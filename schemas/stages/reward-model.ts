import { z } from "zod";
import { rowCount, stepCount } from "../counts.js";
import { guardsSchema } from "../guards.js";
import { dataReferences, mixtureWords, loraParameters, operationalParameters, optimizerParameters, reference, rowLimits } from "./common.js";

/** What a guard's rollback may change. */
const changeable = z.strictObject({
  learningRate: optimizerParameters.learningRate, weightDecay: z.number().min(0), maxGradientNorm: z.number().positive(),
  lmCoefficient: z.number().min(0),
}).partial();

export const rewardModelParameters = z.strictObject({
  kind: z.literal("reward-model"),
  description: z.string().optional(),
  seed: z.number().int().min(0).optional(),
  model: reference("a language model"),
  data: dataReferences("a data entry with pairs").describe(`Name of a data entry with pairs, or of a stage that makes them. ${mixtureWords}`),
  epochs: z.number().positive().max(10_000).default(1),
  maxSteps: stepCount.optional(),
  maxPairs: z.number().int().positive().max(1_000_000_000).optional().describe("Uses this many training pairs."),
  batch: rowCount.default(32).describe("Pairs a step."),
  lmCoefficient: z.number().min(0).default(1).describe("β_rm: weight of the LM term on the chosen answer (P eq. 2)."),
  normalizeOn: rowCount.default(256).describe("Training-split reference answers on which scores get mean 0 and std 1."),
  ...rowLimits,
  ...optimizerParameters,
  learningRate: optimizerParameters.learningRate.default(5e-4),
  schedule: optimizerParameters.schedule.default("cosine"),
  ...loraParameters,
  guards: guardsSchema("reward-model", changeable),
  ...operationalParameters,
}).describe("Pairwise reward model: −log σ(r_w − r_l) + β_rm · NLL(chosen) (P eq. 2).");
