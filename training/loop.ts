import { appendFile, copyFile, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import type { ArtifactMetadata } from "../schemas/artifact.js";
import type { Progress } from "../schemas/progress.js";
import { parseMetrics } from "../schemas/report.js";
import { gravest, type Breach, type GuardWatch } from "./guards.js";
import type { Metrics, Trainer } from "./trainer.js";

export const METRICS_FILE = "metrics.jsonl";

/** An empty directory for a checkpoint. Nobody sees it before `publish`, which makes it the stage's newest at once. */
export interface CheckpointSlot {
  readonly directory: string;
  publish(): Promise<unknown>;
}

/** A trainer that has stopped at a rung. */
export interface AtRung {
  readonly rung: number;
}

export interface RunTrainerOptions {
  /** The stage's name, for progress and messages. */
  readonly stage: string;
  /** Directory in which metrics.jsonl grows; what an earlier attempt left of it there is replaced. All files in it travel in checkpoints. */
  readonly workspace: string;
  /** Empty directory that receives the artifact's files, metrics.jsonl among them. */
  readonly output: string;
  /** The checkpoint that the trainer was built from. */
  readonly resume?: { readonly directory: string; readonly steps: number };
  readonly cadence: { readonly everySteps?: number; readonly everySeconds: number };
  /** `keep`: steps of earlier checkpoints that may still be gone back to. */
  readonly openCheckpoint: (steps: number, keep: readonly number[]) => Promise<CheckpointSlot>;
  readonly guards?: {
    readonly watch: GuardWatch;
    /** Told of every breach, those in the checkpoint's own metrics included. */
    readonly onBreach: (breach: Breach) => Promise<void>;
  };
  /** It ends at this step with a checkpoint instead of an artifact, to go on from there later. */
  readonly rung?: number;
  readonly onProgress: (progress: Progress) => void;
  /** When aborted: the step under way ends or throws the reason, a checkpoint is published, and TL_TRAIN_CANCELLED is thrown. */
  readonly signal?: AbortSignal;
  /** Milliseconds; decides only when checkpoints are due and what is said about the time left. */
  readonly now?: () => number;
}

/**
 * Drives a trainer from where it stands to its artifact: steps, metrics, guards, checkpoints, cancellation. The lines
 * of metrics.jsonl are {"step": steps done, ...metrics}; they depend on seed and step alone and travel in checkpoints.
 * At a rung it ends with a checkpoint. A breach that is not only noted ends it, with a checkpoint unless the stage is to go back.
 * Errors: TL_TRAIN_DIVERGED, TL_TRAIN_CANCELLED, TL_TRAIN_CHECKPOINT, and what trainer and callbacks throw.
 */
export async function runTrainer(trainer: Trainer, options: RunTrainerOptions): Promise<ArtifactMetadata | Breach | AtRung> {
  const now = options.now ?? (() => performance.now());
  const watch = options.guards?.watch;
  const metricsPath = join(options.workspace, METRICS_FILE);
  const before = await metricsBefore(options.resume);
  await writeFile(metricsPath, before);

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
    const slot = await options.openCheckpoint(steps, watch?.anchors() ?? []);
    await trainer.checkpoint(slot.directory, steps);
    await copyFiles(options.workspace, slot.directory);
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

  const tell = async (breaches: readonly Breach[]): Promise<Breach | undefined> => {
    for (const breach of breaches) await options.guards?.onBreach(breach);
    return gravest(breaches);
  };

  const early = watch && await tell(parseMetrics(before, METRICS_FILE).flatMap((line) => watch.see(line)));
  if (early !== undefined) return early;
  report("training");
  while (steps < trainer.steps) {
    await stopIfCancelled();
    if (options.rung !== undefined && steps >= options.rung) {
      if (steps > (saved ?? 0)) await saveCheckpoint();
      return { rung: options.rung };
    }
    const began = now();
    latest = await trainer.step(steps).catch(async (error: unknown) => {
      // It has changed nothing yet: the state is that after the step before.
      if (options.signal?.aborted === true && error === options.signal.reason) await stopIfCancelled();
      throw error;
    });
    steps += 1;
    const divergence = divergenceIn(latest);
    const cause = divergence === undefined ? undefined : watch?.diverged(steps, divergence);
    if (divergence !== undefined && cause?.then !== "roll-back") {
      await tell(cause === undefined ? [] : [cause]);
      throw diverged(options.stage, steps, divergence, latest);
    }
    const line = { step: steps, ...finite(latest) };
    await appendFile(metricsPath, `${JSON.stringify(line)}\n`);
    durations.add(now() - began);
    report("training");
    const breach = await tell(cause === undefined ? watch?.see(line) ?? [] : [cause]);
    if (breach !== undefined) {
      // A stage that goes back has no use for the state that it leaves.
      if (breach.then !== "roll-back") await saveCheckpoint();
      return breach;
    }
    const due = watch?.isAnchor(steps) === true || checkpointIsDue(options.cadence, steps, now() - savedAt);
    if (steps < trainer.steps && due) await saveCheckpoint();
  }
  await stopIfCancelled();
  report("finishing");
  const metadata = await trainer.finish(options.output);
  await copyFiles(options.workspace, options.output);
  return { ...metadata, figures: finite(metadata.figures) };
}

async function copyFiles(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) await copyFile(join(from, name), join(to, name));
}

function checkpointIsDue(cadence: RunTrainerOptions["cadence"], steps: number, elapsed: number): boolean {
  return elapsed >= cadence.everySeconds * 1000 || (cadence.everySteps !== undefined && steps % cadence.everySteps === 0);
}

/** The loss or gradient norm that is not a number. It will not heal: the weights of the step before are the last good ones. */
function divergenceIn(metrics: Metrics): string | undefined {
  return Object.keys(metrics).find((name) => !Number.isFinite(metrics[name]) && (name.startsWith("loss/") || name.endsWith("gradient_norm")));
}

function diverged(stage: string, step: number, name: string, metrics: Metrics): TruelineError {
  return new TruelineError("TL_TRAIN_DIVERGED", `Stage ${stage} diverged at step ${step}: ${name} is ${metrics[name]}.`, {
    hint: "Lower the learning rate or lengthen the warmup, and look at the data around this step; checkpoints before it are sound.",
  });
}

function headlineOf(trainer: Trainer, metrics: Metrics): Record<string, number> {
  const known = finite(metrics);
  return Object.fromEntries(trainer.headline.flatMap((name) => (known[name] === undefined ? [] : [[name, known[name]]])));
}

/** Figures that do not exist at a step (a ratio over nothing) are left out. */
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
