import type { MetricsLine } from "../schemas/report.js";
import { pointsOf, type Point } from "./curves.js";
import { axis, drawFigure, standaloneFigure } from "./figures.js";
import { color, seriesColors } from "./theme.js";

/** A run of one setting with one seed. Runs of one name are drawn as one colour. */
export interface ComparedRun {
  readonly name: string;
  readonly seed: number;
  readonly metrics: readonly MetricsLine[];
}

const panels = [
  ["objective/gold", "Gold score"], ["objective/scores", "Reward model's score"],
  ["objective/kl", "KL to the SFT model, nats an answer"], ["response/length", "Response length, tokens"],
] as const;

const WIDTH = 900;
const TOP = 44;
const PANEL = { width: WIDTH / 2, height: 250 } as const;

/**
 * Small multiples of PPO runs as one SVG: a thin line a seed, a thick one for each name's mean over its seeds. Metrics that no
 * run has get no panel. It stands alone as a file, in light and in dark.
 */
export function renderComparison(runs: readonly ComparedRun[]): string {
  const names = [...new Set(runs.map(({ name }) => name))];
  const shown = panels.filter(([metric]) => runs.some((run) => pointsOf(run.metrics, metric).length > 0));
  const place = (index: number) => ({ left: (index % 2) * PANEL.width, top: TOP + Math.floor(index / 2) * PANEL.height });
  const series = shown.flatMap(([metric], panel) => names.flatMap((name, index) => {
    const curves = runs.filter((run) => run.name === name).map((run) => pointsOf(run.metrics, metric));
    const drawn = (data: readonly Point[], style: object) => ({
      type: "line", name, data, symbol: "none", silent: true, xAxisIndex: panel, yAxisIndex: panel,
      itemStyle: { color: color(seriesColors[index % seriesColors.length]!) },
      lineStyle: { color: color(seriesColors[index % seriesColors.length]!), ...style },
    });
    return [...curves.map((curve) => drawn(curve, { width: 1, opacity: 0.4 })), drawn(meanCurve(curves), { width: 3 })];
  }));
  return standaloneFigure(drawFigure({
    backgroundColor: color("ground"),
    legend: { top: 8, left: 12, data: names, icon: "roundRect", itemWidth: 22, itemHeight: 4, itemGap: 24, textStyle: { color: color("ink"), fontSize: 14 } },
    title: shown.map(([, title], index) => ({
      text: title, left: place(index).left + 16, top: place(index).top + 4, textStyle: { color: color("ink"), fontSize: 14, fontWeight: 600 },
    })),
    grid: shown.map((_, index) => ({
      left: place(index).left + 52, top: place(index).top + 34, width: PANEL.width - 76, height: PANEL.height - 72,
    })),
    xAxis: shown.map((_, index) => axis({ gridIndex: index, type: "value", min: "dataMin", max: "dataMax", splitLine: { show: false }, splitNumber: 4 })),
    yAxis: shown.map((_, index) => axis({ gridIndex: index, type: "value", scale: true, splitNumber: 4 })),
    series,
  }, { width: WIDTH, height: TOP + Math.ceil(shown.length / 2) * PANEL.height }));
}

/** Mean over the curves at the steps that all of them have. */
export function meanCurve(curves: readonly (readonly Point[])[]): Point[] {
  const [first = [], ...others] = curves;
  const lookups = others.map((curve) => new Map(curve));
  return first.flatMap(([step, value]) => {
    const values = [value, ...lookups.flatMap((lookup) => lookup.get(step) ?? [])];
    return values.length < curves.length ? [] : [[step, values.reduce((sum, other) => sum + other, 0) / values.length] as const];
  });
}
