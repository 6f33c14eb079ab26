import { z } from "zod";
import { planSchema, plannedStageSchema } from "./plan.js";

/** The workflow's input. Frozen: neither an edited spec nor an upgrade changes a run half-way. */
export const pipelineInputSchema = z.strictObject({
  run: z.string(),
  plan: planSchema,
  /** Stages that this attempt is limited to; others stay as they are. Default: all. */
  only: z.array(z.string()).optional(),
  /** The stage that `only` ends with, for the record. */
  until: z.string().optional(),
});

/** What an attempt at a stage is given. */
export const stageTaskSchema = z.strictObject({
  run: z.string(),
  stage: plannedStageSchema,
  /** Digests of the artifacts of the stages it comes after, by stage. */
  artifacts: z.record(z.string(), z.string()),
  /** Questions of guards that somebody has answered with yes: the same breach does not stop it again. */
  waived: z.array(z.string()).optional(),
  /** The step at which it has to wait with a checkpoint, and what it then is compared by. */
  rung: z.strictObject({ step: z.number().int().positive(), metric: z.string() }).optional(),
});

/** What a finished stage gives to those after it. */
export interface StageOutcome {
  readonly artifact: string;
  readonly reused: boolean;
}

/** What an attempt gives instead when somebody has to decide before it goes on; its checkpoint is saved. */
export interface StageQuestion {
  /** Names the question inside the run, such as "guard:ppo:kl:140". */
  readonly gate: string;
  readonly question: string;
}

/** What an attempt gives instead at a rung of successive halving; its checkpoint is saved. */
export interface StageRung {
  readonly rung: number;
  /** Of the metric; null where that was no number. */
  readonly value: number | null;
}

export type StageEnd = StageOutcome | StageQuestion | StageRung;

/** A stage as the workflow sees it. */
export type StageState = "waiting" | "asking" | "started" | "finished" | "failed" | "blocked" | "cancelled" | "held" | "stopped-early";

export type PipelineInput = z.output<typeof pipelineInputSchema>;
export type StageTask = z.output<typeof stageTaskSchema>;
