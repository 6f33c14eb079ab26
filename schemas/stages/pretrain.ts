import { z } from "zod";
import { operationalParameters, optimizerParameters, reference } from "./common.js";

export const pretrainParameters = z.strictObject({
  kind: z.literal("pretrain"),
  description: z.string().optional(),
  seed: z.number().int().min(0).optional(),
  model: reference("a model"),
  data: z.union([reference("a data entry"), z.array(reference("a data entry")).min(1)]).describe("Text; several are concatenated and shuffled by document."),
  steps: z.number().int().positive(),
  batch: z.number().int().positive().default(32).describe("Rows a step."),
  length: z.number().int().min(8).optional().describe("Tokens a row; documents are packed into rows; default: the model's context."),
  ...optimizerParameters,
  learningRate: optimizerParameters.learningRate.default(3e-3),
  schedule: optimizerParameters.schedule.default("cosine"),
  ...operationalParameters,
}).describe("Next-token training on text, from scratch or from a model.");
