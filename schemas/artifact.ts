import { z } from "zod";

const digest = z.string().regex(/^[0-9a-f]{64}$/);

export const artifactTypes = z.enum(["tokenizer", "language-model", "reward-model", "value-model", "preferences", "report"]);

const directorySchema = z.strictObject({ path: z.string(), digest });

/**
 * A model that an adapter stands on: an artifact of the same store, or a directory outside it with the digest that it had. Where that holds
 * an adapter, too, `under` is the whole model at the bottom, and the adapters between, the lowest first.
 */
const baseSchema = z.union([z.strictObject({ artifact: digest }), directorySchema.extend({ under: z.array(directorySchema).min(1).optional() })]);
export type Base = z.output<typeof baseSchema>;

/** Numbers and facts that later stages need and that the model's own files have no room for. */
const artifactMetadataSchema = z.strictObject({
  /** Reward models: mean and std of raw scores on reference answers; consumers use (score − mean) / std. */
  scoreNormalization: z.strictObject({ mean: z.number(), std: z.number().positive() }).optional(),
  /** Stages that train a critic: where its value head came from. `new` is a head of zeros, because what it started from had none. */
  valueHead: z.enum(["its own", "score head", "new"]).optional(),
  /** Adapters: the model that they stand on, which this artifact does not hold. */
  base: baseSchema.optional(),
  /** Headline figures, by their metric names. */
  figures: z.record(z.string(), z.number()),
  /** Rows read, dropped, cut and unreadable, by data entry. */
  data: z.record(z.string(), z.record(z.string(), z.number())).optional(),
  /** Parameters that a guard's rollback has changed on the way. */
  overrides: z.record(z.string(), z.json()).optional(),
});

/** What describes an artifact: `artifact.json` beside its files. Its digest is the artifact's name in the store. */
export const manifestSchema = z.strictObject({
  version: z.literal(1),
  type: artifactTypes,
  files: z.array(z.strictObject({ path: z.string(), bytes: z.number().int(), sha256: digest })),
  metadata: artifactMetadataSchema,
});

/** A stage's finished result, found by the stage's key. */
export const resultSchema = z.strictObject({
  version: z.literal(1),
  key: digest,
  artifact: digest,
  type: artifactTypes,
  kind: z.string(),
  stage: z.string(),
  run: z.string(),
  finishedAt: z.string(),
  seconds: z.number(),
  figures: z.record(z.string(), z.number()),
});

export type ArtifactMetadata = z.output<typeof artifactMetadataSchema>;
export type Manifest = z.output<typeof manifestSchema>;
export type StageResult = z.output<typeof resultSchema>;
