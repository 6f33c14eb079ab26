import type { MetricsLine } from "../schemas/report.js";
import { panels, pointsOf, smoothed, thinned, type Panel, type Point } from "./curves.js";
import { color, manyColors } from "./theme.js";

/** The curves of one stage of the spec, over the variants that have it. */
export interface SweptStage {
  readonly stage: string;
  readonly kind: string;
  /** Best variant first; of each the metrics of its seeds. */
  readonly variants: readonly { readonly name: string; readonly seeds: readonly (readonly MetricsLine[])[] }[];
}

/** Mean and range of several curves at the steps that at least one has. */
export interface Band {
  readonly mean: readonly Point[];
  readonly low: readonly Point[];
  readonly high: readonly Point[];
}

/** The range of a smoothed curve would hide the spread that it is to show: curves are thinned and smoothed one by one, then pooled. */
export function bandOf(curves: readonly (readonly Point[])[]): Band {
  const values = new Map<number, number[]>();
  for (const curve of curves) for (const [step, value] of smoothed(thinned(curve))) values.set(step, [...values.get(step) ?? [], value]);
  const steps = [...values].sort(([a], [b]) => a - b);
  return {
    mean: steps.map(([step, all]) => [step, all.reduce((sum, value) => sum + value, 0) / all.length]),
    low: steps.map(([step, all]) => [step, Math.min(...all)]), high: steps.map(([step, all]) => [step, Math.max(...all)]),
  };
}

/** The panels whose metric a variant has, in the order they are shown. */
export function drawnPanels(variants: SweptStage["variants"]): Panel[] {
  return panels.filter(({ metrics: [first] }) => variants.some(({ seeds }) => seeds.some((lines) => lines.some((line) => first![0] in line))));
}

/** A panel's series: a line a variant, of the best with a band. `more` goes to each series. The best are drawn last, over the others. */
export function bandsOf(variants: SweptStage["variants"], { metrics: [first] }: Panel, more: object = {}): object[] {
  return variants.flatMap(({ seeds }, index) => bandSeries(bandOf(seeds.map((lines) => pointsOf(lines, first![0]))), index).map((series) => ({ ...series, ...more }))).reverse();
}

function bandSeries({ mean, low, high }: Band, index: number): object[] {
  const name = manyColors[index];
  const drawn = color(name ?? "faint");
  const line = (data: readonly Point[], style: object, more: object = {}) => ({
    type: "line", silent: true, symbol: "none", data, itemStyle: { color: drawn }, lineStyle: { color: drawn, ...style }, ...more,
  });
  const own = line(mean, name === undefined ? { width: 1, opacity: 0.35 } : { width: 2 });
  const hasRange = name !== undefined && high.some(([, value], at) => value > low[at]![1]);
  if (!hasRange) return [own];
  return [own, {
    type: "custom", silent: true, z: 1, data: [...low, ...high.toReversed()], itemStyle: { color: drawn }, encode: { x: 0, y: 1 }, renderItem: closedShape([...low, ...high.toReversed()], drawn),
  }];
}

/** Draws a polygon: down the lower edge of a range and back along the upper one. Drawn once, though the chart asks for every point. */
function closedShape(points: readonly Point[], fill: string) {
  return ({ dataIndex }: { readonly dataIndex: number }, chart: { readonly coord: (point: readonly number[]) => number[] }) =>
    dataIndex > 0 ? undefined : { type: "polygon", shape: { points: points.map((point) => chart.coord(point)) }, style: { fill, opacity: 0.14 } };
}
