import { axis, drawFigure } from "./figures.js";
import { figure } from "./numbers.js";
import { color } from "./theme.js";

export interface Bins {
  /** Left edge of the first bin. A multiple of the width, so that no bin spans 0. */
  readonly start: number;
  readonly width: number;
  readonly counts: readonly number[];
}

/** Counts values in bins of a round width (1, 2 or 5 times a power of ten), about `wanted` of them. */
export function binValues(values: readonly number[], wanted = 24): Bins {
  const low = Math.min(...values, 0);
  const high = Math.max(...values, 0);
  const width = roundWidth((high - low || 1) / wanted);
  const start = Math.floor(low / width);
  const counts = new Array<number>(Math.floor(high / width) - start + 1).fill(0);
  for (const value of values) counts[Math.floor(value / width) - start]! += 1;
  return { start: start * width, width, counts };
}

function roundWidth(width: number): number {
  const power = 10 ** Math.floor(Math.log10(width));
  return power * ([1, 2, 5].find((factor) => factor * power >= width) ?? 10);
}

/** Histogram of (preferred − dispreferred) scores; pairs left of 0 are those the reward model gets wrong. Source: P §4.3. */
export function differenceHistogram(differences: readonly number[]): string {
  const { start, width, counts } = binValues(differences);
  const edges = counts.map((_, index) => start + index * width);
  return drawFigure({
    grid: { left: 8, right: 12, top: 28, bottom: 26, containLabel: true },
    xAxis: axis({
      type: "category", data: edges.map((edge) => figure(edge + width / 2)), name: "score of the preferred − score of the dispreferred answer",
      nameLocation: "middle", nameGap: 30, splitLine: { show: false },
    }),
    yAxis: axis({ type: "value", minInterval: 1, name: "pairs", nameLocation: "end", nameGap: 10 }),
    series: [{
      type: "bar", barCategoryGap: "8%", silent: true,
      data: counts.map((count, index) => ({ value: count, itemStyle: { color: color(edges[index]! + width / 2 < 0 ? "orange" : "blue") } })),
    }],
  }, { width: 860, height: 280 });
}
