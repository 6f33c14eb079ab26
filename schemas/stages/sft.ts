import { z } from "zod";
import { operationalParameters, optimizerParameters, reference, rowLimits } from "./common.js";

export const sftParameters = z.strictObject({
  kind: z.literal("sft"),
  description: z.string().optional(),
  seed: z.number().int().min(0).optional(),
  model: reference("a language model"),
  data: reference("a data entry with dialogues"),
  epochs: z.number().positive().default(2),
  maxSteps: z.number().int().positive().optional().describe("Ends earlier than the epochs would."),
  batch: z.number().int().positive().default(32).describe("Dialogues a step."),
  ...rowLimits,
  ...optimizerParameters,
  learningRate: optimizerParameters.learningRate.default(1e-3),
  schedule: optimizerParameters.schedule.default("cosine"),
  ...operationalParameters,
}).describe("Supervised fine-tuning: cross-entropy on the assistant's tokens only (P §5.1).");
