import { z } from "zod";
import { stageKinds } from "./stages/table.js";

/** Names of pipelines, stages, models and data entries. */
export const nameSchema = z.string().regex(/^[A-Za-z][A-Za-z0-9-]*$/).describe("Letters, digits and dashes, a letter first.");

export const dataFormats = z.enum(["hh-rlhf", "preference", "dialogue", "prompt", "text"]);

export const dataEntrySchema = z.strictObject({
  description: z.string().optional(),
  format: dataFormats.describe(
    "hh-rlhf: {chosen, rejected} transcripts; preference: {prompt, chosen, rejected}; dialogue: {prompt, response} or {messages}; "
    + "prompt: {prompt}; text: plain text, or jsonl of {text}."),
  path: z.string().min(1).describe("jsonl, or txt for text; .gz allowed. Beside the spec, then in the folder TRUELINE_DATA."),
  holdout: z.number().min(0).lt(1).default(0)
    .describe("Share held out for evaluation, by hash of the row's `group` where it has one, else of its prompt or text."),
  maxBadShare: z.number().min(0).max(1).default(0.01).describe("More unreadable rows than this share is an error."),
});

export const modelEntrySchema = z.union([
  z.strictObject({
    description: z.string().optional(),
    architecture: z.literal("llama"),
    layers: z.number().int().positive(),
    hidden: z.number().int().positive(),
    heads: z.number().int().positive(),
    keyValueHeads: z.number().int().positive().optional().describe("Fewer than heads: grouped-query attention. Default: heads."),
    intermediate: z.number().int().positive().optional().describe("Width of SwiGLU; default 8/3 · hidden, rounded up to a multiple of 8."),
    context: z.number().int().min(16),
    tokenizer: z.string().describe("Name of a tokenizer stage."),
    tiedEmbeddings: z.boolean().default(true),
    ropeTheta: z.number().positive().default(10000),
  }).describe("A model from scratch."),
  z.strictObject({
    description: z.string().optional(),
    path: z.string().min(1).describe("A Hugging Face directory."),
  }).describe("A model from files."),
]);

const [first, ...rest] = Object.values(stageKinds).map((kind) => kind.parameters);
export const stageSchema = z.discriminatedUnion("kind", [first!, ...rest]);

export const specSchema = z.strictObject({
  $schema: z.string().optional(),
  version: z.literal(1),
  name: nameSchema,
  description: z.string().optional(),
  seed: z.number().int().min(0).default(0),
  data: z.record(nameSchema, dataEntrySchema).default({}),
  models: z.record(nameSchema, modelEntrySchema).default({}),
  stages: z.record(nameSchema, stageSchema).refine((stages) => Object.keys(stages).length > 0, "at least one stage").meta({ minProperties: 1 }),
});

export type DataEntry = z.output<typeof dataEntrySchema>;
export type DataFormat = z.output<typeof dataFormats>;
export type ModelEntry = z.output<typeof modelEntrySchema>;
export type StageSpec = z.output<typeof stageSchema>;
export type Spec = z.output<typeof specSchema>;
