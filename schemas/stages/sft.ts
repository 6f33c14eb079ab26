import { z } from "zod";
import { rowCount, stepCount } from "../counts.js";
import { guardsSchema } from "../guards.js";
import { dataReferences, mixtureWords, loraParameters, operationalParameters, optimizerParameters, reference, rowLimits } from "./common.js";

/** What a guard's rollback may change. */
const changeable = z.strictObject({
  learningRate: optimizerParameters.learningRate, weightDecay: z.number().min(0), maxGradientNorm: z.number().positive(),
}).partial();

export const sftParameters = z.strictObject({
  kind: z.literal("sft"),
  description: z.string().optional(),
  seed: z.number().int().min(0).optional(),
  model: reference("a language model"),
  data: dataReferences("a data entry with dialogues").describe(`Name of a data entry with dialogues. ${mixtureWords}`),
  epochs: z.number().positive().max(10_000).default(2),
  maxSteps: stepCount.optional().describe("Ends earlier than the epochs would."),
  batch: rowCount.default(32).describe("Dialogues a step."),
  ...rowLimits,
  ...optimizerParameters,
  learningRate: optimizerParameters.learningRate.default(1e-3),
  schedule: optimizerParameters.schedule.default("cosine"),
  ...loraParameters,
  guards: guardsSchema("sft", changeable),
  ...operationalParameters,
}).describe("Supervised fine-tuning: cross-entropy on the assistant's tokens only (P §5.1).");
