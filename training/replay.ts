import type { Guards } from "../schemas/guards.js";
import type { MetricsLine } from "../schemas/report.js";
import { breachesIn, gravest, type Breach } from "./guards.js";

/** What guards would have found in the metrics of a stage that ran without them. */
export interface Replay {
  /** Steps in the metrics. */
  readonly steps: number;
  /** By guard: its first breach, if any, and whether its metric is recorded at all. */
  readonly guards: Readonly<Record<string, { readonly breach?: Breach; readonly recorded: boolean }>>;
  /** The step at which the stage would have been stopped, asked about or taken back. */
  readonly endsAfter?: number;
  /** What is watched, by metric: the mean of the last five values at that step and at the end. */
  readonly watched: Readonly<Record<string, { readonly then?: number; readonly last: number }>>;
}

const span = 5;

/** Shows a stage's metrics to guards, as if they had been there. Breaches after the first of a guard are not told. */
export function replay(guards: Guards, lines: readonly MetricsLine[]): Replay {
  const breaches = breachesIn(guards, lines);
  const endsAfter = lines.find(({ step }) => gravest(breaches.filter((breach) => breach.step === step)) !== undefined)?.step;
  const metrics = [...new Set(Object.values(guards).flatMap(({ metric, against }) => [metric, against]))].filter((name) => name !== undefined);
  const meanUpTo = (metric: string, step: number): number | undefined => {
    const values = lines.flatMap((line) => (line.step <= step && line[metric] !== undefined ? [line[metric]] : [])).slice(-span);
    return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  return {
    steps: lines.at(-1)?.step ?? 0,
    guards: Object.fromEntries(Object.entries(guards).map(([name, { metric, against }]) => {
      const breach = breaches.find(({ guard }) => guard === name);
      const recorded = [metric, against].every((each) => each === undefined || lines.some((line) => line[each] !== undefined));
      return [name, { ...(breach !== undefined && { breach }), recorded }];
    })),
    ...(endsAfter !== undefined && { endsAfter }),
    watched: Object.fromEntries(metrics.flatMap((metric) => {
      const [then, last] = [endsAfter === undefined ? undefined : meanUpTo(metric, endsAfter), meanUpTo(metric, Infinity)];
      return last === undefined ? [] : [[metric, { ...(then !== undefined && { then }), last }]];
    })),
  };
}
