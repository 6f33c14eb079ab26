import { z } from "zod";
import { stepCount } from "./counts.js";
import { nameSchema } from "./name.js";
import { stageMetrics, type GuardedKind } from "./metrics.js";

/** One guard, as a stage with these metrics takes it; `change` is what a rollback may change of it. */
function guardOf<Metric extends z.ZodType<string>, Change extends z.ZodType>(metric: Metric, change: Change) {
  return z.strictObject({
    description: z.string().optional(),
    metric: metric.optional().describe("What is watched: the mean of its last `over` values."),
    above: z.number().optional().describe("Breached when the mean is above this."),
    below: z.number().optional().describe("Breached when the mean is below this."),
    risesBy: z.number().positive().optional().describe("Breached when the mean is more than this above the first one."),
    fallsBy: z.number().positive().optional().describe("Breached when the mean is more than this below the highest so far."),
    against: metric.optional()
      .describe("With `fallsBy`: breached when the mean of this metric falls so far, while that of `metric` is higher than it was then."),
    nan: z.literal(true).optional().describe("Breached when a loss or a gradient norm is not a finite number. Without it such a stage fails."),
    over: stepCount.default(5).describe("How many values the mean is over."),
    from: stepCount.default(1).describe("Steps before this one are not looked at."),
    then: z.union([
      z.enum(["note", "stop", "ask"]),
      z.strictObject({
        rollBack: z.strictObject({
          change: z.union([change, z.array(change).min(1)])
            .describe("Parameters with their new values; a list has one member a rollback, and the breach after the last one stops the stage."),
          every: stepCount.default(10).describe("Steps between the checkpoints that can be gone back to."),
        }),
      }),
    ]).default("stop").describe("note it in the ledger, stop the stage, ask a person, or go back to the last good checkpoint and on from there with a change."),
  });
}

/** Guards by name. Those that only note, stop or ask change no result and no key; those that roll back do. */
export function guardsSchema<Shape extends z.ZodRawShape>(kind: GuardedKind, changeable: z.ZodObject<Shape>) {
  const metric = z.enum(Object.keys(stageMetrics[kind])).meta({ title: "name of a metric" });
  const change = changeable.refine((members) => Object.keys(members).length > 0, "a change changes something").meta({ minProperties: 1 });
  return z.record(nameSchema, guardOf(metric, change)).default({}).describe("What ends or changes a training that goes wrong, by name.");
}

/** Parameters with their new values. */
export const changeSchema = z.record(z.string(), z.json());

/** Guards of any stage kind, as a plan holds them: `change` complete, tricks with all their parameters. */
export const plannedGuardsSchema = z.record(nameSchema, guardOf(z.string(), changeSchema));

export type Guards = z.output<typeof plannedGuardsSchema>;
export type Guard = Guards[string];
export type Change = z.output<typeof changeSchema>;

/** The changes of a guard's rollbacks, in order; none where it does something else. */
export function changesOf({ then }: Guard): readonly Change[] {
  return typeof then === "string" ? [] : [then.rollBack.change].flat();
}
