import { z } from "zod";
import { eventSchema } from "./events.js";
import { notificationSchema, occasions } from "./spec.js";
import type { Gpus } from "./task-queue.js";

// What the workflow and its local activities tell each other about a run; stages are in task.ts.

const stageFailureSchema = z.strictObject({ stage: z.string(), code: z.string(), message: z.string(), hint: z.string().optional() });

/** How an attempt at a run ends, for its ledger. */
export const runEndSchema = z.strictObject({
  run: z.string(),
  end: z.enum(["finished", "failed", "cancelled", "paused"]),
  failures: z.array(stageFailureSchema),
  until: z.string().optional(),
  /** Orders that the workflow knows of. Where the ledger has more, this is not the end. Left out: it ends all the same. */
  known: z.number().int().optional(),
});

const answerSchema = z.strictObject({
  stage: z.string(),
  /** Of the stage that was asked about: an edited stage is asked about again. */
  key: z.string(),
  decision: z.enum(["approved", "rejected"]),
  actor: z.string(),
  reason: z.string().optional(),
});

/** What people have asked of a run since its newest attempt began, and their answers in all its attempts. */
export const ordersSchema = z.strictObject({
  /** How many there are. It never falls within an attempt. */
  count: z.number().int(),
  paused: z.boolean(),
  /** Whether the attempt is to end: somebody asked for it, or the ledger has its end already. Left out: neither. */
  stop: z.enum(["cancelled", "over"]).optional(),
  /** By gate. */
  answers: z.record(z.string(), answerSchema),
  /** How often another try was asked for, by stage. */
  retries: z.record(z.string(), z.number().int()),
  /** What guards have found, oldest first. */
  breaches: z.array(z.strictObject({ stage: z.string(), message: z.string() })),
  /** The newest rung of successive halving, and the stages that were stopped at it or before. */
  halved: z.strictObject({ step: z.number().int(), stopped: z.array(z.strictObject({ stage: z.string(), key: z.string() })) }).optional(),
});

/** A question to people. */
export const questionSchema = z.strictObject({
  run: z.string(), stage: z.string(), key: z.string(), gate: z.string(), question: z.string(), until: z.string().optional(),
  /** Whether nobody need be asked once the stage has its result. */
  unlessDone: z.boolean(),
});

/** What only the workflow knows. */
export const recordSchema = z.strictObject({ run: z.string(), event: eventSchema });

/** What `place` is asked. */
export const gpusSchema = z.strictObject({ gpus: z.number().int().positive(), gpuMemory: z.number().optional() });

/** A message to one receiver of a plan's `notify`. */
export const noticeSchema = z.strictObject({
  run: z.string(),
  to: notificationSchema,
  /** The same for every try, so that a receiver can tell them apart from new messages. */
  id: z.string(),
  occasion: occasions,
  at: z.string(),
  data: z.strictObject({
    run: z.string(), name: z.string(), stage: z.string().optional(), state: z.string(), message: z.string(),
    /** The command to go on with. */
    next: z.string().optional(),
  }),
});

export type RunEnd = z.output<typeof runEndSchema>;
export type StageFailure = z.output<typeof stageFailureSchema>;
export type Answer = z.output<typeof answerSchema>;
export type Orders = z.output<typeof ordersSchema>;
export type Question = z.output<typeof questionSchema>;
export type WorkflowRecord = z.output<typeof recordSchema>;
export type Notice = z.output<typeof noticeSchema>;

/** The activities that a workflow does in the store; all others are named as the stage kinds are. */
export interface ControlActivities {
  readonly "read-orders": (run: string) => Promise<Orders>;
  readonly "close-run": (end: RunEnd) => Promise<boolean>;
  readonly ask: (question: Question) => Promise<boolean>;
  readonly expire: (question: Question) => Promise<void>;
  /** False where the run is over, and nothing more is to be told of it. */
  readonly record: (record: WorkflowRecord) => Promise<boolean>;
  readonly notify: (notice: Notice) => Promise<void>;
  /** The queue on which a stage that needs GPUs finds workers that have them; null while there are none. */
  readonly place: (need: Gpus) => Promise<string | null>;
}

/** The signal that tells a workflow to look into the ledger. */
export const lookSignal = "look";

/** Who rejects what nobody has answered in time. */
export const deadlineActor = "deadline";
