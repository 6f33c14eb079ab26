import { axis, drawFigure, standaloneFigure } from "../reports/figures.js";
import { color, seriesColors } from "../reports/theme.js";
import type { Study, StudyRun } from "./secrets/figures.js";
import { figureOf, mean } from "./secrets/measures.js";
import { spread } from "./secrets/spread.js";

/** The figures of pipelines/algorithms.json, in docs. */
export const ALGORITHMS_FILE = "algorithms.json";

/** Each algorithm with its variants in the spec, from the one that is held least, and what holds them to SFT. */
const algorithms = [
  ["PPO-max", [["ppo-max-loose", "η 0.0125"], ["ppo-max", "η 0.05"], ["ppo-max-tight", "η 0.2"]]],
  ["RLOO", [["rloo-loose", "η 0.0125"], ["rloo", "η 0.05"], ["rloo-tight", "η 0.2"]]],
  ["GRPO", [["grpo", "β 0.04"], ["grpo-tight", "β 0.16"], ["grpo-tighter", "β 0.64"]]],
  ["DPO", [["dpo-loose", "β 0.03"], ["dpo", "β 0.1"], ["dpo-tight", "β 0.3"]]],
] as const;

const columns = [
  ["gold", "eval/gold", 1, 2], ["wins %", "eval/win_rate", 100, 0], ["losses %", "eval/lose_rate", 100, 0], ["proxy reward", "eval/proxy", 1, 2],
  ["KL, nats an answer", "eval/kl", 1, 1], ["length", "eval/length", 1, 0], ["no end %", "eval/unfinished", 100, 0],
] as const;

/** A line a variant, of what the evaluations of its seeds have found: mean, least and greatest. */
export function algorithmsTable({ runs }: Study): string {
  const cells = (of: readonly StudyRun[], suffix = "") => columns.map(([, name, factor, digits]) => spread(of.flatMap(({ figures }) => {
    const value = figures[`${name}${suffix}`];
    return value === undefined ? [] : [factor * value];
  }), digits));
  return [
    `| algorithm | held by | ${columns.map(([title]) => title).join(" | ")} |`, `|---|---|${columns.map(() => "---|").join("")}`,
    ...algorithms.flatMap(([name, variants]) => variants.map(([variant, held]) => `| ${name} | ${held} | ${cells(seedsOf(runs, variant)).join(" | ")} |`)),
    `| SFT | | ${cells(runs.slice(0, 1), "_baseline").map((cell) => cell.split(" ")[0] ?? "").join(" | ")} |`,
  ].join("\n");
}

const panels = [["eval/gold", "Gold score"], ["eval/proxy", "Reward model's score"]] as const;
const panelSize = { width: 450, height: 300 } as const;
const TOP = 44;

/** What each algorithm reaches at which distance from SFT, as an SVG: a dot a seed, a line through the means of its variants. */
export function algorithmsPicture({ runs }: Study): string {
  const series = panels.flatMap(([metric], panel) => algorithms.flatMap(([name, variants], index) => {
    const own = color(seriesColors[index]!);
    const drawn = (data: readonly (readonly [number, number])[], symbolSize: number, width: number) => ({
      type: "line", name, data, symbol: "circle", symbolSize, silent: true, xAxisIndex: panel, yAxisIndex: panel, itemStyle: { color: own }, lineStyle: { color: own, width },
    });
    const dots = variants.flatMap(([variant]) => seedsOf(runs, variant).map((run) => placeOf([run], metric)));
    return [drawn(dots, 4, 0), drawn(variants.map(([variant]) => placeOf(seedsOf(runs, variant), metric)), 9, 2)];
  }));
  return standaloneFigure(drawFigure({
    backgroundColor: color("ground"),
    legend: { top: 8, left: 12, data: algorithms.map(([name]) => name), icon: "roundRect", itemWidth: 22, itemHeight: 4, itemGap: 24, textStyle: { color: color("ink"), fontSize: 14 } },
    title: panels.map(([, text], index) => ({ text, left: index * panelSize.width + 16, top: TOP + 4, textStyle: { color: color("ink"), fontSize: 14, fontWeight: 600 } })),
    grid: panels.map((_, index) => ({ left: index * panelSize.width + 52, top: TOP + 34, width: panelSize.width - 76, height: panelSize.height - 90 })),
    xAxis: panels.map((_, gridIndex) => axis({ gridIndex, type: "log", min: 0.5, max: 10, name: "KL to SFT, nats an answer", nameLocation: "middle", nameGap: 28, splitLine: { show: false } })),
    yAxis: panels.map((_, gridIndex) => axis({ gridIndex, type: "value", scale: true, splitNumber: 4 })),
    series,
  }, { width: panelSize.width * panels.length, height: TOP + panelSize.height }));
}

function placeOf(runs: readonly StudyRun[], metric: string): readonly [number, number] {
  return [mean(runs.map((run) => figureOf(run, "eval/kl"))), mean(runs.map((run) => figureOf(run, metric)))];
}

function seedsOf(runs: readonly StudyRun[], variant: string): StudyRun[] {
  return runs.filter((run) => run.variant === variant);
}
