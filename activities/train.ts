import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Backend } from "../backends/backend.js";
import { version } from "../foundation/version.js";
import type { Environment } from "../schemas/events.js";
import { parseMetrics } from "../schemas/report.js";
import type { StageTask } from "../schemas/task.js";
import { operationalParameters } from "../schemas/stages/common.js";
import { GuardWatch } from "../training/guards.js";
import { METRICS_FILE, runTrainer } from "../training/loop.js";
import { createTrainer } from "../training/registry.js";
import type { Rights } from "../training/trainer.js";
import { changedParameters, overridesOf, pastOf, readCourse, writeCourse } from "./course.js";
import { consequence, tellBreach, waivedIn } from "./guards.js";
import { readArtifacts, readData, readFiles } from "./inputs.js";
import { guardsOf } from "./reuse.js";
import { rollBack } from "./roll-back.js";
import type { StageWork } from "./stage.js";

/** How stages run that says nothing about what they compute; and what samples, which backends are started for. */
const operational = z.object({ ...operationalParameters, generation: z.literal("vllm").optional() });
type Operational = z.output<typeof operational>;

export interface BackendOptions {
  /** What the stage asks of a worker. */
  readonly resources: Operational["resources"];
  /** What samples, where it is not the backend's own loop. */
  readonly generation?: Operational["generation"];
  /** Ends the backend at once when aborted. */
  readonly signal: AbortSignal;
  /** After which a call fails with TL_STAGE_STALLED: since it was made or, where the backend tells, since the last sign of life. */
  readonly stallSeconds: number;
}

export type StartBackend = (options: BackendOptions) => Promise<Backend>;

/**
 * The work of every stage kind: read the inputs, start a backend where models are computed with, drive the trainer; once more
 * from an earlier checkpoint when a guard says so.
 */
export function trainStage(startBackend: StartBackend | undefined, stallSeconds: number, rights?: Rights): StageWork {
  return async (attempt, output) => {
    const { task, store, pulse, scratch } = attempt;
    const { stage } = task;
    const { checkpoint: cadence, resources, generation } = operational.parse(stage.parameters);
    const guards = guardsOf(stage);
    pulse.phase("reading inputs");
    const [artifacts, data, files] = [await readArtifacts(attempt), await readData(attempt), await readFiles(attempt)];
    let checkpoint = attempt.resume;
    for (let pass = 0; ; pass++) {
      const course = await readCourse(checkpoint?.directory);
      const workspace = join(scratch, `workspace-${pass}`);
      await writeCourse(workspace, course);
      pulse.phase(startBackend === undefined ? "starting" : "starting the backend");
      const end = await withBackend(startBackend, { resources, generation, stallSeconds }, async (backend, atEnd) => {
        if (pass === 0) await attempt.started(backend && await environmentOf(backend), overridesOf(course));
        // A course that went back to the very start has a checkpoint of no steps, which holds no models.
        const resume = checkpoint && checkpoint.step > 0 ? { directory: checkpoint.directory, steps: checkpoint.step } : undefined;
        const trainer = await createTrainer(stage.kind, {
          parameters: changedParameters(stage.parameters, course), seed: stage.seed, backend, artifacts, data, files, rights, resume, scratch, atEnd, signal: attempt.signal,
          replies: store.checkpoints.repliesFile(stage.key),
          phase: (text) => pulse.phase(text),
        });
        return runTrainer(trainer, {
          stage: stage.name, workspace, output, resume, cadence, rung: task.rung?.step, signal: attempt.signal, onProgress: (progress) => pulse.update(progress),
          openCheckpoint: (step, keep) => attempt.openCheckpoint(step, { course: course.rollbacks.length, keep }),
          guards: {
            watch: new GuardWatch(guards, { ...pastOf(course), isWaived: waivedIn(task) }),
            onBreach: (breach) => tellBreach(store, task, breach),
          },
        });
      });
      if ("rung" in end) return { ...end, value: await valueAtRung(workspace, task) };
      if (!("guard" in end)) return course.rollbacks.length === 0 ? end : { ...end, overrides: overridesOf(course) };
      if (end.then !== "roll-back") return consequence(stage, end);
      checkpoint = await rollBack(attempt, end, course, workspace);
    }
  };
}

/** Values of a metric that a variant is compared by at a rung. */
const comparedValues = 5;

/** What a stage is worth at its rung: the mean of its metric's last values up to there, whether or not it has come further before. */
async function valueAtRung(workspace: string, { rung }: StageTask): Promise<number | null> {
  if (rung === undefined) return null;
  const lines = parseMetrics(await readFile(join(workspace, METRICS_FILE), "utf8"), METRICS_FILE);
  const values = lines.filter(({ step }) => step <= rung.step).flatMap((line) => line[rung.metric] ?? []).slice(-comparedValues);
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

async function withBackend<Result>(
  start: StartBackend | undefined, options: Omit<BackendOptions, "signal">,
  work: (backend: Backend | undefined, atEnd: (end: () => Promise<void>) => void) => Promise<Result>,
): Promise<Result> {
  const kill = new AbortController();
  const ends: (() => Promise<void>)[] = [];
  const backend = start && await start({ ...options, signal: kill.signal });
  try {
    return await work(backend, (end) => ends.push(end));
  } finally {
    for (const end of ends) await end();
    // A backend that hangs does not answer "close" either: its process is ended.
    await Promise.race([backend?.close().catch(() => undefined), afterSeconds(10)]);
    kill.abort();
  }
}

async function environmentOf(backend: Backend): Promise<Environment> {
  const { name, device, threads, versions } = await backend.describe();
  return { backend: name, device, threads, versions: { ...versions, node: process.versions.node, trueline: version } };
}

function afterSeconds(seconds: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, seconds * 1000).unref(); });
}
