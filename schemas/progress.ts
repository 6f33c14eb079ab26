import { z } from "zod";

/** What an activity's heartbeat says; people see it as the stage's bar. */
export const progressSchema = z.strictObject({
  stage: z.string(),
  /** What is being done, in a word or two, such as "training" or "saving checkpoint". */
  phase: z.string(),
  step: z.number().int().min(0),
  of: z.number().int().min(0),
  /** Step of the newest checkpoint, if there is one. */
  checkpoint: z.number().int().optional(),
  /** Headline metrics of the newest step, by name. */
  metrics: z.record(z.string(), z.number()),
  secondsLeft: z.number().optional(),
});

export type Progress = z.output<typeof progressSchema>;
