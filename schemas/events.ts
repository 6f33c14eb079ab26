import { z } from "zod";

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const stage = z.string();
const figures = z.record(z.string(), z.number());
/** Who asked: the account and host of a command. */
const actor = z.string();
const failure = z.strictObject({ code: z.string(), message: z.string(), hint: z.string().optional() });

/** What computes. The same bytes come out only where these are the same. */
export const environmentSchema = z.strictObject({
  backend: z.string(),
  device: z.string(),
  threads: z.number().int(),
  versions: z.record(z.string(), z.string()),
});

export const workerIdentitySchema = z.strictObject({ pid: z.number().int(), host: z.string() });

/** What a ledger tells of a run, without the links of its chain. */
export const eventSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("run-submitted"), name: z.string(), specPath: z.string(), specDigest: digest, planDigest: digest, actor,
    versions: z.record(z.string(), z.string()),
  }),
  z.strictObject({ type: z.literal("run-resumed"), attempt: z.number().int(), actor }),
  z.strictObject({
    type: z.literal("stage-started"), stage, key: digest, attempt: z.number().int(), worker: workerIdentitySchema,
    environment: environmentSchema.optional(), resumedFrom: z.number().int().optional(),
    /** Members of the environment that differ from the one the checkpoint was made in. */
    differs: z.array(z.string()).optional(),
  }),
  /** The stage's result was there already. `from` is the run that made it. */
  z.strictObject({ type: z.literal("stage-reused"), stage, key: digest, artifact: digest, from: z.string(), figures }),
  z.strictObject({ type: z.literal("checkpoint-saved"), stage, key: digest, step: z.number().int(), checkpoint: digest, bytes: z.number().int() }),
  /** A checkpoint that could not be used, and why. */
  z.strictObject({ type: z.literal("checkpoint-skipped"), stage, key: digest, step: z.number().int(), reason: z.string() }),
  z.strictObject({
    type: z.literal("stage-stopped"), stage, key: digest, cause: z.enum(["cancelled", "worker-shutdown", "paused", "timed-out", "reset"]),
    checkpoint: z.number().int().optional(),
  }),
  z.strictObject({ type: z.literal("stage-failed"), stage, key: digest, attempt: z.number().int(), failure, retry: z.boolean() }),
  z.strictObject({ type: z.literal("stage-finished"), stage, key: digest, artifact: digest, seconds: z.number(), figures }),
  z.strictObject({ type: z.literal("cancel-requested"), actor }),
  z.strictObject({ type: z.literal("run-cancelled") }),
  z.strictObject({ type: z.literal("run-failed"), failures: z.array(failure.extend({ stage })) }),
  z.strictObject({ type: z.literal("run-finished") }),
]);

const links = {
  run: z.string(),
  sequence: z.number().int().min(0),
  at: z.string(),
  /** Hash of the line before; 64 zeros in the first. */
  previous: digest,
  /** SHA-256 over the canonical JSON of this line without `hash`. */
  hash: digest,
};

/** One line of a ledger. */
export const entrySchema = z.strictObject({ ...links, event: eventSchema });

export type LedgerEvent = z.output<typeof eventSchema>;
export type LedgerEntry = z.output<typeof entrySchema>;
export type Environment = z.output<typeof environmentSchema>;
export type WorkerIdentity = z.output<typeof workerIdentitySchema>;
export type Failure = z.output<typeof failure>;
