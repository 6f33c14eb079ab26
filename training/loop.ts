import { appendFile, copyFile, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import type { ArtifactMetadata } from "../schemas/artifact.js";
import type { Progress } from "../schemas/progress.js";
import { parseMetrics, type MetricsLine } from "../schemas/report.js";
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
  const before = await metricsBefore(options.resume);
  await writeFile(join(options.workspace, METRICS_FILE), before);
  return new Drive(trainer, options).run(parseMetrics(before, METRICS_FILE));
}

/** A trainer on its way through its steps. */
class Drive {
  private readonly now: () => number;
  private readonly watch: GuardWatch | undefined;
  private steps: number;
  /** Steps of the newest checkpoint, and when it was saved. */
  private saved: number | undefined;
  private savedAt: number;
  private latest: Metrics = {};
  private readonly durations = new MovingAverage(20);

  constructor(private readonly trainer: Trainer, private readonly options: RunTrainerOptions) {
    this.now = options.now ?? (() => performance.now());
    this.watch = options.guards?.watch;
    this.saved = options.resume?.steps;
    this.steps = this.saved ?? 0;
    this.savedAt = this.now();
  }

  /** @param before the metrics that the checkpoint brings along, which the guards see once more. */
  async run(before: readonly MetricsLine[]): Promise<ArtifactMetadata | Breach | AtRung> {
    const { trainer, options, watch } = this;
    const early = watch && await this.tell(before.flatMap((line) => watch.see(line)));
    if (early !== undefined) return early;
    this.report("training");
    while (this.steps < trainer.steps) {
      await this.stopIfCancelled();
      if (options.rung !== undefined && this.steps >= options.rung) {
        await this.saveIfAhead();
        return { rung: options.rung };
      }
      const breach = await this.step();
      if (breach !== undefined) {
        // A stage that goes back has no use for the state that it leaves.
        if (breach.then !== "roll-back") await this.saveCheckpoint();
        return breach;
      }
      if (this.steps < trainer.steps && this.checkpointIsDue()) await this.saveCheckpoint();
    }
    await this.stopIfCancelled();
    this.report("finishing");
    const metadata = await trainer.finish(options.output);
    await copyFiles(options.workspace, options.output);
    return { ...metadata, figures: finite(metadata.figures) };
  }

  /** Does a step and writes its metrics; gives the breach of a guard that ends the stage. */
  private async step(): Promise<Breach | undefined> {
    const { options: { signal, stage, workspace }, watch } = this;
    const began = this.now();
    this.latest = await this.trainer.step(this.steps).catch(async (error: unknown) => {
      // It has changed nothing yet: the state is that after the step before.
      if (signal?.aborted === true && error === signal.reason) await this.stopIfCancelled();
      throw error;
    });
    this.steps += 1;
    const divergence = divergenceIn(this.latest);
    const cause = divergence === undefined ? undefined : watch?.diverged(this.steps, divergence);
    if (divergence !== undefined && cause?.then !== "roll-back") {
      await this.tell(cause === undefined ? [] : [cause]);
      throw diverged(stage, this.steps, divergence, this.latest);
    }
    const line = { step: this.steps, ...finite(this.latest) };
    await appendFile(join(workspace, METRICS_FILE), `${JSON.stringify(line)}\n`);
    this.durations.add(this.now() - began);
    this.report("training");
    return this.tell(cause === undefined ? watch?.see(line) ?? [] : [cause]);
  }

  private report(phase: string): void {
    const { trainer, options, steps, saved, latest } = this;
    const average = this.durations.value;
    options.onProgress({
      stage: options.stage, phase, step: steps, of: trainer.steps, metrics: headlineOf(trainer, latest),
      ...(saved !== undefined && { checkpoint: saved }),
      ...(average !== undefined && { secondsLeft: (average * (trainer.steps - steps)) / 1000 }),
    });
  }

  private async saveCheckpoint(): Promise<void> {
    this.report("saving checkpoint");
    const slot = await this.options.openCheckpoint(this.steps, this.watch?.anchors() ?? []);
    await this.trainer.checkpoint(slot.directory, this.steps);
    await copyFiles(this.options.workspace, slot.directory);
    await slot.publish();
    this.saved = this.steps;
    this.savedAt = this.now();
    this.report("training");
  }

  private async saveIfAhead(): Promise<void> {
    if (this.steps > (this.saved ?? 0)) await this.saveCheckpoint();
  }

  private checkpointIsDue(): boolean {
    const { steps, options: { cadence: { everySteps, everySeconds } } } = this;
    return this.watch?.isAnchor(steps) === true || this.now() - this.savedAt >= everySeconds * 1000 || (everySteps !== undefined && steps % everySteps === 0);
  }

  private async stopIfCancelled(): Promise<void> {
    if (this.options.signal?.aborted !== true) return;
    await this.saveIfAhead();
    throw new TruelineError("TL_TRAIN_CANCELLED", `Stage ${this.options.stage} was stopped after step ${this.steps} of ${this.trainer.steps}.`, {
      hint: "Its state is saved; resuming the run continues from there.",
    });
  }

  /** Tells of breaches; gives the gravest that ends the stage. */
  private async tell(breaches: readonly Breach[]): Promise<Breach | undefined> {
    for (const breach of breaches) await this.options.guards?.onBreach(breach);
    return gravest(breaches);
  }
}

async function copyFiles(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) await copyFile(join(from, name), join(to, name));
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
