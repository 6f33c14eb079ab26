import { z } from "zod";
import { dataFormats, notificationSchema } from "./spec.js";
import { plannedSweepSchema } from "./sweep.js";

const digest = z.string().regex(/^[0-9a-f]{64}$/);

const fileEntrySchema = z.strictObject({
  name: z.string(), format: dataFormats,
  /** The file and its digest; of an entry with `files` where they are, and the digest of theirs. */
  path: z.string(), digest,
  holdout: z.number(), maxBadShare: z.number(),
  /** In their order, where the entry does not name one file by its path. */
  files: z.array(z.strictObject({ path: z.string(), digest })).optional(),
  /** Where they were found, so that files that come later are noticed. */
  lists: z.array(z.strictObject({ folder: z.string(), glob: z.string() })).optional(),
});

/** The rows that an earlier stage has made, and held out as its prompts are. */
const madeEntrySchema = z.strictObject({ name: z.string(), format: dataFormats, stage: z.string() });

/** Where an input of a stage comes from once the plan is frozen. */
const planInputSchema = z.discriminatedUnion("from", [
  /** The artifact of an earlier stage. */
  z.strictObject({ from: z.literal("stage"), stage: z.string(), type: z.string() }),
  /** A Hugging Face directory named in `models`. Of an adapter's, `under` is the whole model that it stands on, and the adapters between, the lowest first. */
  z.strictObject({ from: z.literal("directory"), path: z.string(), type: z.string(), digest, under: z.array(z.strictObject({ path: z.string(), digest })).min(1).optional() }),
  /** A model from scratch: its sizes, and the tokenizer's stage. */
  z.strictObject({ from: z.literal("scratch"), model: z.string(), configuration: z.record(z.string(), z.json()), tokenizer: z.string() }),
  /** A file of the user's that the stage runs. */
  z.strictObject({ from: z.literal("file"), path: z.string(), digest }),
  /** One or more data entries, resolved to files, and stages that make data. */
  z.strictObject({
    from: z.literal("data"),
    use: z.enum(["text", "dialogues", "pairs", "prompts", "questions"]),
    /** Of a mixture, one for each entry. */
    weights: z.array(z.number()).optional(),
    entries: z.array(z.union([fileEntrySchema, madeEntrySchema])).min(1),
  }),
]);

export const plannedStageSchema = z.strictObject({
  name: z.string(),
  kind: z.string(),
  /** SHA-256 over everything that decides the stage's result. */
  key: digest,
  /** What the key was computed from, so that two keys can be compared member by member. */
  keyParts: z.record(z.string(), z.json()),
  /** Complete parameters, presets and defaults resolved. */
  parameters: z.record(z.string(), z.json()),
  seed: z.number().int(),
  inputs: z.record(z.string(), planInputSchema),
  /** Stages that must be finished first. */
  after: z.array(z.string()),
  output: z.string(),
  resources: z.strictObject({
    cpus: z.number().optional(), gpus: z.number(), memory: z.string().optional(), executionProviders: z.array(z.string()).optional(),
    backend: z.string().optional(), processes: z.number().optional(), pieceTokens: z.number().optional(),
    activationCheckpointing: z.boolean().optional(), offload: z.boolean().optional(),
  }),
  taskQueue: z.string(),
  timeouts: z.strictObject({ heartbeatSeconds: z.number(), attemptHours: z.number() }),
  /** Somebody has to let it through before it computes. */
  approval: z.strictObject({ question: z.string().optional(), withinSeconds: z.number().optional() }).optional(),
  deadlineSeconds: z.number().optional(),
});

/** The spec resolved and frozen: all that a run needs. Written once, never changed. */
export const planSchema = z.strictObject({
  version: z.literal(1),
  name: z.string(),
  specDigest: digest,
  specPath: z.string(),
  /** The spec's text, for the record. */
  spec: z.string(),
  stages: z.array(plannedStageSchema).min(1),
  deadlineSeconds: z.number().optional(),
  notify: z.array(notificationSchema),
  /** The variants, where the spec is a sweep. */
  sweep: plannedSweepSchema.optional(),
  warnings: z.array(z.string()),
});

export type PlanInput = z.output<typeof planInputSchema>;
export type FileEntry = z.output<typeof fileEntrySchema>;
export type MadeEntry = z.output<typeof madeEntrySchema>;
export type PlannedStage = z.output<typeof plannedStageSchema>;
export type Plan = z.output<typeof planSchema>;

export interface DataFile {
  readonly path: string;
  readonly digest: string;
}

/** A data entry's files, in their order. */
export function filesOf({ path, digest, files }: DataFile & { readonly files?: readonly DataFile[] }): readonly DataFile[] {
  return files ?? [{ path, digest }];
}

/** What people call an input: the name of its stage or model; `otherwise` where the stage has none such. */
export function nameOfInput(input: PlanInput | undefined, otherwise: string): string {
  switch (input?.from) {
    case "stage": return input.stage;
    case "scratch": return input.model;
    case "directory": case "file": return input.path.split("/").at(-1)!;
    case "data": return "the written answers";
    case undefined: return otherwise;
  }
}
