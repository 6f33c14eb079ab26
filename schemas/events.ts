import { z } from "zod";
import { voteSchema } from "./votes.js";

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const stage = z.string();
const figures = z.record(z.string(), z.number());
/** Who asked: the account and host of a command. */
const actor = z.string();
/** Why, in the words of who asked. */
const reason = z.string().optional();
const failure = z.strictObject({ code: z.string(), message: z.string(), hint: z.string().optional() });

/** What computes. The same bytes come out only where these are the same. */
export const environmentSchema = z.strictObject({
  backend: z.string(),
  device: z.string(),
  threads: z.number().int(),
  versions: z.record(z.string(), z.string()),
});

const workerIdentitySchema = z.strictObject({ pid: z.number().int(), host: z.string() });

/** What a ledger tells of a run, without the links of its chain. */
export const eventSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("run-submitted"), name: z.string(), specPath: z.string(), specDigest: digest, planDigest: digest, actor,
    versions: z.record(z.string(), z.string()),
    /** Stages that this attempt is limited to, where `--until` named one. */
    only: z.array(stage).optional(),
  }),
  z.strictObject({
    type: z.literal("run-resumed"), attempt: z.number().int(), actor, reason, versions: z.record(z.string(), z.string()),
    /** What state the run was found in. */
    found: z.string(),
    /** Stages that this attempt is limited to, where `--until` or `retry` named some. */
    only: z.array(stage).optional(),
    /** The plan from here on, where an edited spec replaced the one before. */
    plan: z.strictObject({ planDigest: digest, specPath: z.string(), specDigest: digest, changes: z.array(z.string()) }).optional(),
  }),
  /** A finished result or a checkpoint is no longer to be used, because somebody asked for the stage to be computed anew. */
  z.strictObject({
    type: z.literal("stage-set-aside"), stage, key: digest, artifact: digest.optional(), checkpoint: z.number().int().optional(), actor, reason,
  }),
  z.strictObject({
    type: z.literal("stage-started"), stage, key: digest, attempt: z.number().int(), worker: workerIdentitySchema,
    environment: environmentSchema.optional(), resumedFrom: z.number().int().optional(),
    /** Of the worker: it may be another program than the one that submitted. */
    versions: z.record(z.string(), z.string()).optional(),
    /** Digests of what it reads, by input: artifacts of stages, model directories, data files. */
    inputs: z.record(z.string(), z.array(digest)),
    /** Parameters that a guard's rollback has changed. */
    overrides: z.record(z.string(), z.json()).optional(),
    /** The attempt in whose place it is, where that one never told its end; `seen`: its last sign of life. */
    before: z.strictObject({ attempt: z.number().int(), pid: z.number().int(), host: z.string(), seen: z.string() }).optional(),
    /** Members of the environment that differ from the one the checkpoint was made in. */
    differs: z.array(z.string()).optional(),
  }),
  /** The stage's result was there already. `from` is the run that made it. */
  z.strictObject({ type: z.literal("stage-reused"), stage, key: digest, artifact: digest, from: z.string(), figures }),
  z.strictObject({ type: z.literal("checkpoint-saved"), stage, key: digest, step: z.number().int(), checkpoint: digest, bytes: z.number().int() }),
  /** A checkpoint that could not be used, and why. */
  z.strictObject({ type: z.literal("checkpoint-skipped"), stage, key: digest, step: z.number().int(), reason: z.string() }),
  z.strictObject({
    type: z.literal("stage-stopped"), stage, key: digest, cause: z.enum(["cancelled", "worker-shutdown", "paused", "timed-out", "reset", "deadline"]),
    checkpoint: z.number().int().optional(),
  }),
  /** `attempt` is missing where none was under way: rejected by a person, or lost with its worker. */
  z.strictObject({ type: z.literal("stage-failed"), stage, key: digest, attempt: z.number().int().optional(), failure, retry: z.boolean() }),
  z.strictObject({ type: z.literal("stage-finished"), stage, key: digest, artifact: digest, seconds: z.number(), figures }),
  /** It waits at a rung of successive halving. `value`: the metric's, absent where it is not a number. */
  z.strictObject({ type: z.literal("stage-held"), stage, key: digest, step: z.number().int(), metric: z.string(), value: z.number().optional() }),
  /** All variants of a sweep have come to a rung. `stopped`: the stages that the worse ones go no further with. */
  z.strictObject({
    type: z.literal("sweep-halved"), of: stage, step: z.number().int(), metric: z.string(),
    kept: z.array(z.strictObject({ variant: z.string(), value: z.number().optional() })), ended: z.array(z.strictObject({ variant: z.string(), value: z.number().optional() })),
    stopped: z.array(z.strictObject({ stage, key: digest })),
  }),
  /** A guard found its metric out of bounds; `then` is what the spec says to do. */
  z.strictObject({
    type: z.literal("guard-breached"), stage, key: digest, guard: z.string(), step: z.number().int(), metric: z.string(),
    /** Absent where it is not a number. */
    value: z.number().optional(),
    /** The bound in words, such as "above 12 for 3 steps". */
    bound: z.string(), then: z.enum(["note", "stop", "ask", "roll-back"]),
  }),
  /** Training goes on after step `to` with changed parameters; the steps after it are discarded. */
  z.strictObject({
    type: z.literal("stage-rolled-back"), stage, key: digest, guard: z.string(), from: z.number().int(), to: z.number().int(),
    change: z.record(z.string(), z.json()),
  }),
  /** Somebody has to decide. `gate` names the question inside the run: "before:ppo", or "guard:ppo:kl:140". */
  z.strictObject({ type: z.literal("approval-asked"), gate: z.string(), stage, key: digest, question: z.string(), until: z.string().optional() }),
  z.strictObject({ type: z.literal("approval-answered"), gate: z.string(), stage, decision: z.enum(["approved", "rejected"]), actor, reason }),
  z.strictObject({ type: z.literal("pause-requested"), actor, reason }),
  z.strictObject({ type: z.literal("unpause-requested"), actor, reason }),
  z.strictObject({ type: z.literal("retry-requested"), stage, actor, reason }),
  /** The run's, or where `stage` is given that stage's. */
  z.strictObject({ type: z.literal("deadline-passed"), stage: stage.optional(), seconds: z.number() }),
  z.strictObject({ type: z.literal("notification-sent"), occasion: z.string(), host: z.string(), id: z.string() }),
  z.strictObject({ type: z.literal("notification-failed"), occasion: z.string(), host: z.string(), id: z.string(), message: z.string() }),
  /** `gc` removed it from the store. */
  z.strictObject({ type: z.literal("artifact-removed"), stage, key: digest, artifact: digest, bytes: z.number().int(), actor, reason }),
  /** `gc` leaves alone what a pin names: all of the run, or where `stage` is given that stage's artifact. */
  z.strictObject({ type: z.literal("pinned"), stage: stage.optional(), actor, reason }),
  z.strictObject({ type: z.literal("unpinned"), stage: stage.optional(), actor, reason }),
  /** What people say of an evaluation's answers: those of the artifact named. */
  z.strictObject({ type: z.literal("votes-imported"), stage, artifact: digest, votes: z.array(voteSchema), actor, reason }),
  z.strictObject({ type: z.literal("cancel-requested"), actor, reason }),
  /** Nothing computes any more; checkpoints are saved. `until`: the stage that the attempt was to end with. */
  z.strictObject({ type: z.literal("run-paused"), until: stage.optional() }),
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
