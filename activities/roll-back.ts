import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Checkpoint } from "../store/checkpoints.js";
import { parseMetrics } from "../schemas/report.js";
import { GuardWatch, noPast, type Breach } from "../training/guards.js";
import { METRICS_FILE } from "../training/loop.js";
import { pastOf, rolledBack, writeCourse, type Course } from "./course.js";
import { guardsOf } from "./reuse.js";
import type { Attempt } from "./stage.js";

/**
 * Goes back to the checkpoint that a breach names: publishes it again as the first one of a new course, with the change and
 * the metrics that are discarded, and gives it. Killed before that is done, another attempt finds the same breach again.
 * Where that checkpoint is damaged it gives an earlier one, or none: training from there comes by the same step again.
 */
export async function rollBack(attempt: Attempt, breach: Breach, before: Course, workspace: string): Promise<Checkpoint | undefined> {
  const { store, pulse, task: { run, stage } } = attempt;
  const { guard, step: from, to = 0, change = {} } = breach;
  const named = { stage: stage.name, key: stage.key };
  pulse.phase(`going back to step ${to}`);
  const anchor = to === 0 ? undefined : await store.checkpoints.newest(stage.key, {
    deep: true, accept: (step) => step <= to,
    onSkip: async (skipped) => { await store.ledger.append(run, { type: "checkpoint-skipped", ...named, ...skipped }); },
  });
  if (to > 0 && anchor?.step !== to) return anchor;

  const { course, metrics } = rolledBack(before, breach, await readFile(join(workspace, METRICS_FILE), "utf8"));
  const watch = new GuardWatch(guardsOf(stage), { ...noPast, ...pastOf(course) });
  for (const line of parseMetrics(metrics, METRICS_FILE)) watch.see(line);
  const slot = await attempt.openCheckpoint(to, { course: course.rollbacks.length, keep: watch.anchors() });
  if (anchor !== undefined) await cp(anchor.directory, slot.directory, { recursive: true });
  await writeFile(join(slot.directory, METRICS_FILE), metrics, { flush: true });
  await writeCourse(slot.directory, course);
  const published = await slot.publish();
  await store.ledger.append(run, { type: "stage-rolled-back", ...named, guard, from, to, change });
  return published;
}
