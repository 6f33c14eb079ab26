import { z } from "zod";
import { oneLinePattern } from "../foundation/text.js";
import { addressSchema } from "./endpoint.js";
import { entryNameSchema, nameSchema } from "./name.js";
import { durationSchema } from "./stages/common.js";
import { stageKinds } from "./stages/table.js";
import { sweepSchema } from "./sweep.js";
import { textLike } from "./text.js";

export const dataFormats = z.enum([
  "hh-rlhf", "preference", "dialogue", "prompt-completion", "prompt", "text", "sharegpt", "alpaca", "moss", "moss-prompt", "moss-preference",
  "multiple-choice",
]);

/** What a row of each format looks like. */
export const formatShapes: Readonly<Record<z.output<typeof dataFormats>, string>> = {
  "hh-rlhf": "{chosen, rejected} transcripts",
  preference: "{prompt, chosen, rejected} or {chosen, rejected}",
  dialogue: "{messages}, or {prompt, response}",
  "prompt-completion": "{prompt, completion}",
  prompt: "{prompt}",
  text: "plain text, or rows of {text}",
  sharegpt: "{conversations: [{from, value}]}",
  alpaca: "{instruction, input, output}",
  moss: "[turn, turn, …], the user's and the assistant's",
  "moss-prompt": "[turn, turn, …] to be answered",
  "moss-preference": "{chosen: [turn, …], rejected: [turn, …]}",
  "multiple-choice": "{question, A, B, C, D, answer}, as in C-Eval",
};

export const dataEntrySchema = z.strictObject({
  description: z.string().optional(),
  format: dataFormats.describe(`${Object.entries(formatShapes).map(([format, shape]) => `${format}: ${shape}`).join("; ")}.`),
  path: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .describe("A file, a folder of files, a pattern such as \"shards/*.jsonl.gz\", or a list of these: jsonl, json, csv, parquet, or txt for text; .gz and .zst allowed. Beside the spec, then in the folder TRUELINE_DATA."),
  holdout: z.number().min(0).lt(1).default(0)
    .describe("Share held out for evaluation, by hash of the row's `group` where it has one, else of its prompt or text."),
  maxBadShare: z.number().min(0).max(1).default(0.01).describe("More unreadable rows than this share is an error."),
});

const positive = z.number().int().positive();

export const modelEntrySchema = z.union([
  z.strictObject({
    description: z.string().optional(),
    architecture: z.enum(["llama", "qwen2", "qwen3", "mistral", "gpt2"]),
    layers: positive,
    hidden: positive,
    heads: positive,
    keyValueHeads: positive.optional().describe("Fewer than heads: grouped-query attention. Default: heads. Not of gpt2."),
    headSize: positive.optional().describe("Width of one head; default hidden / heads. Not of gpt2."),
    intermediate: positive.optional().describe("Width of the feed-forward layers; default 8/3 · hidden, rounded up to a multiple of 8; 4 · hidden of gpt2."),
    context: z.number().int().min(16).max(100_000_000),
    window: positive.optional().describe("Tokens that attention looks back on; all where left out. Of mistral alone."),
    tokenizer: z.string().describe("Name of a tokenizer stage."),
    tiedEmbeddings: z.boolean().default(true),
    ropeTheta: z.number().positive().optional().describe("Of rotary positions; default 10000. Not of gpt2, whose positions are learned."),
  }).describe("A model from scratch."),
  z.strictObject({
    description: z.string().optional(),
    path: z.string().min(1).describe("A Hugging Face directory: of a whole model, or of an adapter in PEFT's files."),
    base: z.string().optional().describe("Of an adapter: name of the entry of `models` with the model that it stands on."),
  }).describe("A model from files."),
]).describe("A model from scratch, {\"architecture\": …} with its sizes, or from files, {\"path\": …}.");

/** Sizes of a model from scratch, as the planner completes them. */
export const scratchSizesSchema = modelEntrySchema.options[0].omit({ description: true, tokenizer: true }).required({ keyValueHeads: true, intermediate: true });
export type ScratchSizes = z.output<typeof scratchSizesSchema>;

const [first, ...rest] = Object.values(stageKinds).map((kind) => kind.parameters);
const stageSchema = z.discriminatedUnion("kind", [first!, ...rest]);

const approvalSchema = z.strictObject({
  before: z.union([entryNameSchema, z.array(entryNameSchema).min(1)]).describe("Stages that wait for somebody's `trueline approve` before they compute."),
  question: textLike(oneLinePattern, "a line of 1 to 500 characters, none of them a control character").optional().describe("What the person is asked: one line of up to 500 characters, none of them a control character."),
  within: durationSchema.optional().describe("Counts as rejected when nobody has answered by then, such as \"24h\"."),
}).describe("Stages that a person has to let through. A stage whose result is there already asks nobody.");

export const occasions = z.enum([
  "run-finished", "run-failed", "run-cancelled", "run-paused", "approval-asked", "guard-breached", "stage-finished", "stage-failed",
]);

export const notificationSchema = z.strictObject({
  url: addressSchema.describe("http or https; gets a POST of JSON, signed as standardwebhooks.com describes."),
  on: z.array(occasions).min(1).default(["run-finished", "run-failed", "approval-asked", "guard-breached"]),
  secret: textLike(/^[A-Za-z_][A-Za-z0-9_]*$/, "the name of an environment variable").optional()
    .describe("Name of the environment variable, on the workers, that holds the signing secret (whsec_…). Never the secret itself."),
});

export const specSchema = z.strictObject({
  $schema: z.string().optional(),
  version: z.literal(1),
  name: nameSchema,
  description: z.string().optional(),
  seed: z.number().int().min(0).default(0),
  data: z.record(entryNameSchema, dataEntrySchema).default({}),
  models: z.record(entryNameSchema, modelEntrySchema).default({}),
  approval: approvalSchema.optional(),
  deadline: durationSchema.optional().describe("The run saves its checkpoints and fails when an attempt has taken this long, such as \"2d\"."),
  notify: z.array(notificationSchema).default([]).describe("Whom to tell what happens."),
  stages: z.record(entryNameSchema, stageSchema).refine((stages) => Object.keys(stages).length > 0, "at least one stage").meta({ minProperties: 1 }),
  sweep: sweepSchema.optional(),
});

export type DataEntry = z.output<typeof dataEntrySchema>;
export type DataFormat = z.output<typeof dataFormats>;
export type ModelEntry = z.output<typeof modelEntrySchema>;
export type Occasion = z.output<typeof occasions>;
export type Notification = z.output<typeof notificationSchema>;
export type StageSpec = z.output<typeof stageSchema>;
export type Spec = z.output<typeof specSchema>;
