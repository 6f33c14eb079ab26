import { MultiBar, Presets, type SingleBar } from "cli-progress";
import { setTimeout as sleep } from "node:timers/promises";
import { visible } from "../foundation/text.js";
import type { Pipelines } from "../temporal/client.js";
import { workersAtWork } from "../store/placement.js";
import { hasEnded, observe, type ObservedRun, type ObservedStage } from "../temporal/observe.js";
import type { Store } from "../store/store.js";
import { duration, type Output } from "./output.js";
import { foldCopies } from "./sweep-view.js";
import { progressText, questionsOf, retryTexts, skippedTexts, stateText, unattendedAdvice } from "./run-view.js";

const lookMilliseconds = 500;
const lineMilliseconds = 5000;
/** How long a run may look interrupted before it counts as such: a worker that starts, or starts again, takes this long. */
const patienceMilliseconds = 30_000;
/** How long a queue may lack a worker before it is mentioned, once. */
const unattendedMilliseconds = 15_000;
/** How long a stage may wait for a worker before it is said what the workers do. */
const queueMilliseconds = 5000;

/** Shows a run's progress on stderr until it ends, or until nothing works on it any more. `served`: queues for which the caller brings workers along. */
export async function follow(store: Store, id: string, pipelines: Pipelines, output: Output, served: readonly string[] = []): Promise<ObservedRun> {
  const display = output.interactive ? new Bars() : new Lines(output);
  const said = new Set<string>();
  let quietSince = performance.now();
  let attendedAt = performance.now();
  let queueMovedAt = performance.now();
  try {
    for (;;) {
      const run = await observe(store, await store.runs.read(id), pipelines, served);
      display.show(run);
      for (const text of [...run.stages.flatMap((stage) => [...skippedTexts(stage), ...retryTexts(stage)]), ...questionsOf(run)]) {
        if (!said.has(text)) output.note(text);
        said.add(text);
      }
      if (hasEnded(run)) {
        await closed(id, pipelines);
        return run;
      }
      // Its end could not be recorded: nothing more will come.
      if (run.failure !== undefined) return run;
      if (run.state !== "interrupted") quietSince = performance.now();
      else if (performance.now() - quietSince > patienceMilliseconds) return run;
      if (run.unattended.length === 0) attendedAt = performance.now();
      else if (performance.now() - attendedAt > unattendedMilliseconds) {
        for (const advice of unattendedAdvice(run)) output.note(advice);
        attendedAt = Infinity;
      }
      if (!run.stages.some(({ queued }) => queued)) queueMovedAt = performance.now();
      else if (performance.now() - queueMovedAt > queueMilliseconds) {
        const busy = await busyWithOthers(store, id);
        if (busy !== undefined && !said.has(busy)) output.note(busy);
        if (busy !== undefined) said.add(busy);
        queueMovedAt = performance.now();
      }
      await sleep(lookMilliseconds);
    }
  } finally {
    display.end();
  }
}

/** Why a stage waits that could start: the stages of other runs that workers do now. */
async function busyWithOthers(store: Store, id: string): Promise<string | undefined> {
  const others = [...(await workersAtWork(store)).values()].filter(({ run }) => run !== id).map(({ run, stage }) => `${stage} of run ${run}`);
  return others.length === 0 ? undefined : `Waiting for a free worker: ${[...new Set(others)].sort().join(", ")} is under way.`;
}

/** The workflow ends a moment after it has recorded its end: its worker must stay until then. */
async function closed(id: string, pipelines: Pipelines): Promise<void> {
  for (let looks = 0; looks < 20 && (await pipelines.view(id))?.open; looks++) await sleep(lookMilliseconds / 2);
}

interface Display {
  show(run: ObservedRun): void;
  end(): void;
}

/** A bar a stage, redrawn in place. */
class Bars implements Display {
  private readonly bars = new Map<string, SingleBar>();
  private readonly multi = new MultiBar({
    format: "{stage} {bar} {text}", stream: process.stderr, hideCursor: true, clearOnComplete: false, barsize: 24, linewrap: false,
    gracefulExit: false,
  }, Presets.shades_classic);

  show(run: ObservedRun): void {
    const rows = barsOf(run);
    const width = Math.max(...rows.map(({ name }) => name.length));
    for (const { name, at, of, text } of rows) {
      const words = { stage: visible(name.padEnd(width), false), text: visible(text, false) };
      const bar = this.bars.get(name) ?? this.multi.create(of, at, words);
      this.bars.set(name, bar);
      bar.setTotal(of);
      bar.update(at, words);
    }
    this.multi.update();
  }

  end(): void {
    this.multi.stop();
  }
}

interface Row {
  readonly name: string;
  readonly at: number;
  readonly of: number;
  readonly text: string;
}

/** A bar a stage; the copies that a sweep makes of one share theirs. */
export function barsOf({ plan, stages }: Pick<ObservedRun, "plan" | "stages">): Row[] {
  return foldCopies(plan, stages, ({ name }) => name, () => "").map(({ label, items }): Row => {
    const [first, ...others] = items;
    const of = first.progress?.of || 1;
    if (others.length === 0) return { name: first.name, of, at: isDone(first) ? of : Math.min(first.progress?.step ?? 0, of), text: shortText(first) };
    const running = items.filter(({ state }) => state === "running");
    const counts = [...new Set(items.map(({ state }) => state))].map((state) => `${items.filter((each) => each.state === state).length} ${state.replace("-", " ")}`);
    const under = running.slice(0, 2).map((stage) => `${stage.name} ${stage.progress === undefined ? "" : `${stage.progress.step}/${stage.progress.of}`}`.trimEnd());
    const share = ({ progress }: ObservedStage) => progress === undefined || progress.of === 0 ? 0 : progress.step / progress.of;
    return { name: label, of: items.length, at: items.reduce((sum, stage) => sum + (isDone(stage) ? 1 : share(stage)), 0), text: [counts.join(", "), ...under].join("  ") };
  });
}

const isDone = ({ state }: ObservedStage): boolean => state === "finished" || state === "reused";

/** Plain lines, for logs: every change of state, and each running stage now and then. */
class Lines implements Display {
  private readonly said = new Map<string, { state: string; text: string; at: number }>();

  constructor(private readonly output: Output) {}

  show(run: ObservedRun): void {
    for (const stage of run.stages) {
      const before = this.said.get(stage.name);
      const text = shortText(stage);
      const changed = before?.state !== stage.state;
      const due = before !== undefined && before.text !== text && performance.now() - before.at >= lineMilliseconds;
      if ((changed && !(before === undefined && stage.state === "waiting")) || due) this.output.note(`${stage.name}: ${text}`);
      if (before === undefined || changed || due) this.said.set(stage.name, { state: stage.state, text, at: performance.now() });
    }
  }

  end(): void {
    // Nothing to take away.
  }
}

function shortText(stage: ObservedStage): string {
  if (stage.state === "finished" && stage.seconds !== undefined) return `finished in ${duration(stage.seconds)}`;
  return stage.state === "running" ? progressText(stage) : stateText(stage);
}
