import { appendFile, copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import type { ArtifactMetadata } from "../schemas/artifact.js";
import type { Progress } from "../schemas/progress.js";
import type { Metrics, Trainer } from "./trainer.js";

export const METRICS_FILE = "metrics.jsonl";

/** An empty directory for a checkpoint. Nobody sees it before `publish`, which makes it the stage's newest at once. */
export interface CheckpointSlot {
  readonly directory: string;
  publish(): Promise<void>;
}

export interface RunTrainerOptions {
  /** The stage's name, for progress and messages. */
  readonly stage: string;
  /** Directory in which metrics.jsonl grows; what an earlier attempt left there is replaced. */
  readonly workspace: string;
  /** Empty directory that receives the artifact's files, metrics.jsonl among them. */
  readonly output: string;
  /** The checkpoint that the trainer was built from. */
  readonly resume?: { readonly directory: string; readonly steps: number };
  readonly cadence: { readonly everySteps?: number; readonly everySeconds: number };
  readonly openCheckpoint: (steps: number) => Promise<CheckpointSlot>;
  readonly onProgress: (progress: Progress) => void;
  /** When aborted: the step under way ends, a checkpoint is published, and TL_TRAIN_CANCELLED is thrown. */
  readonly signal?: AbortSignal;
  /** Milliseconds; decides only when checkpoints are due and what is said about the time left. */
  readonly now?: () => number;
}

/**
 * Drives a trainer from where it stands to its artifact: steps, metrics, guards, checkpoints, cancellation. The lines
 * of metrics.jsonl are {"step": steps done, ...metrics}; they depend on seed and step alone and travel in checkpoints.
 * Errors: TL_TRAIN_DIVERGED, TL_TRAIN_CANCELLED, TL_TRAIN_CHECKPOINT, and what trainer and callbacks throw.
 */
export async function runTrainer(trainer: Trainer, options: RunTrainerOptions): Promise<ArtifactMetadata> {
  const now = options.now ?? (() => performance.now());
  const metricsPath = join(options.workspace, METRICS_FILE);
  await writeFile(metricsPath, await metricsBefore(options.resume));

  let steps = options.resume?.steps ?? 0;
  let saved = options.resume?.steps;
  let savedAt = now();
  let latest: Metrics = {};
  const durations = new MovingAverage(20);

  const report = (phase: string) => {
    const average = durations.value;
    options.onProgress({
      stage: options.stage, phase, step: steps, of: trainer.steps, metrics: headlineOf(trainer, latest),
      ...(saved !== undefined && { checkpoint: saved }),
      ...(average !== undefined && { secondsLeft: (average * (trainer.steps - steps)) / 1000 }),
    });
  };
  const saveCheckpoint = async () => {
    report("saving checkpoint");
    const slot = await options.openCheckpoint(steps);
    await trainer.checkpoint(slot.directory, steps);
    await copyFile(metricsPath, join(slot.directory, METRICS_FILE));
    await slot.publish();
    saved = steps;
    savedAt = now();
    report("training");
  };
  const stopIfCancelled = async () => {
    if (options.signal?.aborted !== true) return;
    if (steps > (saved ?? 0)) await saveCheckpoint();
    throw new TruelineError("TL_TRAIN_CANCELLED", `Stage ${options.stage} was stopped after step ${steps} of ${trainer.steps}.`, {
      hint: "Its state is saved; resuming the run continues from there.",
    });
  };

  report("training");
  while (steps < trainer.steps) {
    await stopIfCancelled();
    const began = now();
    latest = await trainer.step(steps);
    steps += 1;
    guard(options.stage, steps, latest);
    await appendFile(metricsPath, metricsLine(steps, latest));
    durations.add(now() - began);
    report("training");
    if (steps < trainer.steps && checkpointIsDue(options.cadence, steps, now() - savedAt)) await saveCheckpoint();
  }
  await stopIfCancelled();
  report("finishing");
  const metadata = await trainer.finish(options.output);
  await copyFile(metricsPath, join(options.output, METRICS_FILE));
  return metadata;
}

function checkpointIsDue(cadence: RunTrainerOptions["cadence"], steps: number, elapsed: number): boolean {
  return elapsed >= cadence.everySeconds * 1000 || (cadence.everySteps !== undefined && steps % cadence.everySteps === 0);
}

/** A loss or a gradient norm that is not a number will not heal: the weights of the step before are the last good ones. */
function guard(stage: string, step: number, metrics: Metrics): void {
  for (const [name, value] of Object.entries(metrics)) {
    if (Number.isFinite(value) || !(name.startsWith("loss/") || name.endsWith("gradient_norm"))) continue;
    throw new TruelineError("TL_TRAIN_DIVERGED", `Stage ${stage} diverged at step ${step}: ${name} is ${value}.`, {
      hint: "Lower the learning rate or lengthen the warmup, and look at the data around this step; checkpoints before it are sound.",
    });
  }
}

/** One line of metrics.jsonl. Figures that do not exist at this step (a ratio over nothing) are left out. */
function metricsLine(step: number, metrics: Metrics): string {
  return `${JSON.stringify({ step, ...finite(metrics) })}\n`;
}

function headlineOf(trainer: Trainer, metrics: Metrics): Record<string, number> {
  const known = finite(metrics);
  return Object.fromEntries(trainer.headline.flatMap((name) => (known[name] === undefined ? [] : [[name, known[name]]])));
}

function finite(metrics: Metrics): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).filter(([, value]) => Number.isFinite(value)));
}

/** The lines that the checkpoint brings along, up to its step. */
async function metricsBefore(resume: RunTrainerOptions["resume"]): Promise<string> {
  if (resume === undefined) return "";
  const path = join(resume.directory, METRICS_FILE);
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new TruelineError("TL_TRAIN_CHECKPOINT", `The checkpoint has no readable ${path}.`, { cause });
  });
  const lines = text.split("\n").slice(0, -1);
  if (lines.length < resume.steps) {
    throw new TruelineError("TL_TRAIN_CHECKPOINT", `${path} ends at step ${lines.length}; the checkpoint is of step ${resume.steps}.`);
  }
  return lines.slice(0, resume.steps).map((line) => `${line}\n`).join("");
}

/** Mean of the newest `size` values. */
class MovingAverage {
  private readonly newest: number[] = [];

  constructor(private readonly size: number) {}

  add(value: number): void {
    this.newest.push(value);
    if (this.newest.length > this.size) this.newest.shift();
  }

  get value(): number | undefined {
    if (this.newest.length === 0) return undefined;
    return this.newest.reduce((sum, value) => sum + value, 0) / this.newest.length;
  }
}
