import type { AlignedCurve, ComparedStage, Comparison, Pair } from "../planner/compare.js";
import { shown, type Value } from "../planner/differences.js";
import { number, table, type Output } from "./output.js";

/** Metrics that say most of a curve, in the order they are shown; a stage that has none of them shows its losses. */
const headline = [
  "objective/gold", "objective/scores", "objective/kl", "response/length", "response/perplexity",
  "loss/sft", "sft/held_out_loss", "loss/lm", "lm/held_out_loss", "loss/reward", "rm/held_out_accuracy", "loss/value", "val/explained_variance",
];
/** Common steps that a table shows. */
const shownSteps = 6;

export interface Labels {
  readonly before: string;
  readonly now: string;
}

/** A comparison for people: what differs, section by section. */
export function comparisonText({ spec, data, environment, stages }: Comparison, labels: Labels, all: boolean, { colors }: Pick<Output, "colors">): string {
  const section = (title: string, pairs: readonly Pair<Value>[]) => sectionText(title, pairs, labels, colors);
  const same = stages.filter(({ standing }) => standing === "same-key" || standing === "same-bytes");
  const others = stages.filter((stage) => all || !same.includes(stage));
  const lines = [
    ...section("Spec", spec), ...section("Data", data), ...section("Environment", environment),
    ...(same.length === 0 ? [] : [`The same in both: ${same.map(sameText).join(", ")}.`, ""]),
    ...others.flatMap((stage) => [...stageText(stage, labels, all, colors), ""]),
  ];
  return (lines.length === 0 ? ["Nothing differs."] : lines).join("\n").trimEnd();
}

/** A table of what differs, with a title and a line after it; nothing where nothing does. */
export function sectionText(title: string, pairs: readonly Pair<Value>[], labels: Labels, colors: Output["colors"]): string[] {
  return pairs.length === 0 ? [] : [colors.bold(title), table(["", labels.before, labels.now], pairs.map(({ name, before, now }) => [name, brief(before), brief(now)])), ""];
}

function sameText({ name, standing }: ComparedStage): string {
  return standing === "same-key" ? name : `${name} (other settings, the same bytes)`;
}

/** What differs in a stage: whether it is there and finished, its figures, its curves. */
export function stageText({ name, kind, only, figures, curves, artifacts, steps }: ComparedStage, labels: Labels, all: boolean, colors: Output["colors"]): string[] {
  const title = `${colors.bold(name)}  ${kind}`;
  if (only !== undefined) return [`${title}: only in ${labels[only]}`];
  const differing = figures.filter(({ difference }) => all || difference !== 0);
  const rows = differing.map((figure) => [figure.name, known(figure.before), known(figure.now), figure.difference === undefined ? "" : signed(figure.difference)]);
  const missing = (["before", "now"] as const).filter((side) => artifacts[side] === undefined)
    .map((side) => `${labels[side]}${steps[side] === undefined ? "" : ` (step ${steps[side]} so far)`}`);
  return [
    missing.length === 0 ? title : `${title}: not finished in ${missing.join(" and ")}`,
    ...(rows.length === 0 ? [] : [table(["", labels.before, labels.now, "difference"], rows, [1, 2, 3])]),
    ...curveText(curves, labels),
  ];
}

/** Curves at some of the common steps, the last among them: each metric as "first → second". */
function curveText(curves: readonly AlignedCurve[], labels: Labels): string[] {
  const known = headline.flatMap((metric) => curves.filter((curve) => curve.metric === metric));
  const chosen = known.length > 0 ? known.slice(0, 5) : curves.filter(({ metric }) => metric.startsWith("loss/")).slice(0, 5);
  if (chosen.length === 0) return [];
  const steps = spread([...new Set(chosen.flatMap(({ points }) => points.map(([step]) => step)))].sort((a, b) => a - b), shownSteps);
  const rows = steps.map((step) => [String(step), ...chosen.map(({ points }) => {
    const point = points.find(([at]) => at === step);
    return point === undefined ? "" : `${number(point[1])} → ${number(point[2])}`;
  })]);
  return [`At common steps, ${labels.before} → ${labels.now}:`, table(["step", ...chosen.map(({ metric }) => metric)], rows, [0])];
}

/** At most `count` of the numbers, evenly spread, first and last among them. */
function spread(numbers: readonly number[], count: number): number[] {
  if (numbers.length <= count) return [...numbers];
  return Array.from({ length: count }, (_, index) => numbers[Math.round((index * (numbers.length - 1)) / (count - 1))]!);
}

const known = (value: number | undefined): string => value === undefined ? "" : number(value);
export const signed = (value: number): string => `${value > 0 ? "+" : ""}${number(value)}`;
/** Digests are cut as everywhere; long values so that a line stays one. */
const brief = (value: Value): string => {
  const text = shown(value).replaceAll(/\b([0-9a-f]{12})[0-9a-f]{52}\b/g, "$1");
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
};
