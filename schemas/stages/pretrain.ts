import { z } from "zod";
import { rowCount, stepCount, tokenCount } from "../counts.js";
import { guardsSchema } from "../guards.js";
import { dataReferences, loraParameters, operationalParameters, optimizerParameters, reference } from "./common.js";

/** What a guard's rollback may change. */
const changeable = z.strictObject({
  learningRate: optimizerParameters.learningRate, weightDecay: z.number().min(0), maxGradientNorm: z.number().positive(),
}).partial();

export const pretrainParameters = z.strictObject({
  kind: z.literal("pretrain"),
  description: z.string().optional(),
  seed: z.number().int().min(0).optional(),
  model: reference("a model"),
  data: dataReferences("a data entry").describe("Text; several are concatenated and shuffled by document, or, with weights, mixed by rows of tokens."),
  steps: stepCount,
  batch: rowCount.default(32).describe("Rows a step."),
  length: tokenCount.min(8).optional().describe("Tokens a row; documents are packed into rows; default: the model's context."),
  ...optimizerParameters,
  learningRate: optimizerParameters.learningRate.default(3e-3),
  schedule: optimizerParameters.schedule.default("cosine"),
  ...loraParameters,
  guards: guardsSchema("pretrain", changeable),
  ...operationalParameters,
}).describe("Next-token training on text, from scratch or from a model.");
