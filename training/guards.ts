import { changesOf, type Change, type Guard, type Guards } from "../schemas/guards.js";
import type { MetricsLine } from "../schemas/report.js";

/** What a guard found, and what is to be done about it. */
export interface Breach {
  readonly guard: string;
  /** Steps done when it was found. */
  readonly step: number;
  readonly metric: string;
  /** The mean that breaks the bound; absent where it is not a number. */
  readonly value?: number;
  /** The bound in words, such as "above 12 over 5 steps". */
  readonly bound: string;
  readonly then: "note" | "stop" | "ask" | "roll-back";
  /** The change that a rollback makes. */
  readonly change?: Change;
  /** Steps of the anchor that a rollback goes back to; 0 is the stage's start. */
  readonly to?: number;
}

/** What has happened to a stage before the lines that its guards see. */
export interface Past {
  /** Guards that have rolled it back, once a time. */
  readonly rolledBack: readonly string[];
  /** Steps at which its present course began: no rollback goes further back. */
  readonly since: number;
  /** Whether somebody has said that a breach shall not stop the stage. */
  readonly isWaived: (guard: string, step: number) => boolean;
}

export const noPast: Past = { rolledBack: [], since: 0, isWaived: () => false };

/** The severest action comes first where several guards are breached at one step, then the first name. */
const severity: readonly Breach["then"][] = ["stop", "ask", "roll-back"];

/** The breach to act on: none where all are only noted. */
export function gravest(breaches: readonly Breach[]): Breach | undefined {
  return severity.map((then) => breaches.find((breach) => breach.then === then)).find((breach) => breach !== undefined);
}

/**
 * A stage's guards over the lines of its metrics.jsonl. All they know follows from the lines, so that nothing of them
 * needs saving: shown the lines of a checkpoint, they stand where they stood when it was made. A guard is breached when its
 * condition becomes true; it is quiet until the condition has been false again.
 */
export class GuardWatch {
  private readonly watchers: readonly Watcher[];
  private step: number;

  constructor(private readonly guards: Guards, private readonly past: Past = noPast) {
    // By name, for the order of members in a spec is no part of a key.
    const sorted = Object.entries(guards).sort(([a], [b]) => (a < b ? -1 : 1));
    this.watchers = sorted.filter(([, guard]) => guard.nan === undefined).map(([name, guard]) => new Watcher(name, guard));
    this.step = 0;
  }

  /** Takes the metrics of one more step; the breaches that begin with it, without those that somebody waived. */
  see(line: MetricsLine): Breach[] {
    this.step = line.step;
    return this.watchers.flatMap((watcher) => {
      const finding = watcher.see(line);
      return finding === undefined || this.past.isWaived(watcher.name, line.step) ? [] : [this.breach(watcher.name, line.step, finding, watcher.sound)];
    });
  }

  /** The breach of a loss or gradient norm that is not a finite number after `step` steps; undefined without such a guard. */
  diverged(step: number, metric: string): Breach | undefined {
    const name = Object.keys(this.guards).sort().find((each) => this.guards[each]!.nan === true);
    return name === undefined ? undefined : this.breach(name, step, { metric, bound: "not a finite number" }, step - 1);
  }

  /** Whether a checkpoint is due after `step` steps because a rollback may go back to it. */
  isAnchor(step: number): boolean {
    return this.rollingBack().some(({ every }) => step % every === 0);
  }

  /** Steps of the checkpoints that a rollback may still go back to, after the lines seen. */
  anchors(): number[] {
    const steps = this.rollingBack().flatMap(({ name, every }) => {
      const watcher = this.watchers.find((each) => each.name === name);
      return (watcher?.futureSound(this.step) ?? [this.step]).map((sound) => this.anchorAt(sound, every));
    });
    return [...new Set(steps)].filter((step) => step > 0).sort((a, b) => a - b);
  }

  /** Guards that can still roll back. */
  private rollingBack(): { readonly name: string; readonly every: number; readonly change: Change }[] {
    return Object.entries(this.guards).flatMap(([name, guard]) => {
      const change = changesOf(guard)[this.past.rolledBack.filter((each) => each === name).length];
      return typeof guard.then === "string" || change === undefined ? [] : [{ name, every: guard.then.rollBack.every, change }];
    });
  }

  private breach(name: string, step: number, finding: Finding, sound: number): Breach {
    const { then } = this.guards[name]!;
    if (typeof then === "string") return { guard: name, step, ...finding, then };
    const next = this.rollingBack().find((each) => each.name === name);
    // The changes are used up: it did not help.
    if (next === undefined) return { guard: name, step, ...finding, then: "stop" };
    return { guard: name, step, ...finding, then: "roll-back", change: next.change, to: this.anchorAt(sound, next.every) };
  }

  private anchorAt(sound: number, every: number): number {
    return Math.max(Math.floor(sound / every) * every, this.past.since);
  }
}

/** All breaches in a stage's metrics, as they would have come. */
export function breachesIn(guards: Guards, lines: readonly MetricsLine[], past: Past = noPast): Breach[] {
  const watch = new GuardWatch(guards, past);
  return lines.flatMap((line) => watch.see(line));
}

type Finding = Pick<Breach, "metric" | "value" | "bound">;

interface Mean {
  readonly value: number;
  /** Of `metric` where `value` is that of `against`. */
  readonly beside: number;
  /** Step of its last value. */
  readonly step: number;
}

/** One guard's view of the lines. */
class Watcher {
  private readonly over: number;
  private readonly watched: string;
  /** The newest values, `over` at most. */
  private newest: { readonly step: number; readonly value: number; readonly beside: number }[] = [];
  private first: Mean | undefined;
  private best: Mean | undefined;
  private breached = false;

  constructor(readonly name: string, private readonly guard: Guard) {
    this.over = guard.over;
    this.watched = guard.against ?? guard.metric ?? "";
  }

  /** What is wrong now and was not wrong before. Lines without the metric change nothing. */
  see(line: MetricsLine): Finding | undefined {
    const [value, beside] = [line[this.watched], line[this.guard.metric ?? ""]];
    if (line.step < this.guard.from || value === undefined || beside === undefined) return undefined;
    this.newest = [...this.newest, { step: line.step, value, beside }].slice(-this.over);
    if (this.newest.length < this.over) return undefined;
    const mean: Mean = { value: average(this.newest.map((each) => each.value)), beside: average(this.newest.map((each) => each.beside)), step: line.step };
    this.first ??= mean;
    if (this.best === undefined || mean.value > this.best.value) this.best = mean;
    const bound = this.brokenBound(mean);
    const begins = bound !== undefined && !this.breached;
    this.breached = bound !== undefined;
    return begins ? { metric: this.watched, value: mean.value, bound } : undefined;
  }

  /** The last step that the breach has nothing to do with: the peak it fell from, else the step before its mean's first value. */
  get sound(): number {
    return this.guard.fallsBy === undefined ? this.newest[0]!.step - 1 : this.best!.step;
  }

  /** What `sound` can be for breaches after `step`: every step from the earliest possible, or the peak that stands and a new one. */
  futureSound(step: number): number[] {
    if (this.guard.fallsBy !== undefined) return this.best === undefined ? [step] : [this.best.step, step];
    const kept = this.over === 1 ? [] : this.newest.slice(1 - this.over);
    const earliest = (kept[0]?.step ?? step + 1) - 1;
    return Array.from({ length: step - earliest + 1 }, (_, index) => earliest + index);
  }

  private brokenBound(mean: Mean): string | undefined {
    const { above, below, risesBy, fallsBy, against, metric } = this.guard;
    const [first, best] = [this.first!, this.best!];
    const span = this.over === 1 ? "" : ` over ${this.over} steps`;
    const means = this.over === 1 ? "" : ` (means${span})`;
    if (above !== undefined) return mean.value > above ? `above ${above}${span}` : undefined;
    if (below !== undefined) return mean.value < below ? `below ${below}${span}` : undefined;
    if (risesBy !== undefined) {
      return mean.value > first.value + risesBy ? `more than ${risesBy} above ${figure(first.value)} after step ${first.step}${means}` : undefined;
    }
    if (fallsBy === undefined || mean.value >= best.value - fallsBy) return undefined;
    const fall = `more than ${fallsBy} below its best, ${figure(best.value)} after step ${best.step}${means}`;
    if (against === undefined) return fall;
    return mean.beside > best.beside ? `${fall}, while ${metric} rose from ${figure(best.beside)} to ${figure(mean.beside)}` : undefined;
  }
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

const figure = (value: number): string => value.toPrecision(3);
