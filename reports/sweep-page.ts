import type { MetricsLine } from "../schemas/report.js";
import { panels, pointsOf, smoothed, thinned, type Panel, type Point } from "./curves.js";
import { axis, drawFigure } from "./figures.js";
import { html, Html } from "./html.js";
import { figure } from "./numbers.js";
import { styleSheet } from "./style.js";
import { statesText, type Pooled, type SweepResults } from "./sweep-results.js";
import { color, manyColors, moreColorRules } from "./theme.js";

/** The curves of one stage of the spec, over the variants that have it. */
export interface SweptStage {
  readonly stage: string;
  readonly kind: string;
  /** Best variant first; of each the metrics of its seeds. */
  readonly variants: readonly { readonly name: string; readonly seeds: readonly (readonly MetricsLine[])[] }[];
}

const ownStyle = `.legend span{white-space:nowrap;margin-right:12px}.legend .rest{background:var(--faint)}.swatch{display:inline-block;width:14px;height:3px;border-radius:2px;margin:0 7px 3px 0}
${manyColors.map((name) => `i.${name}{background:var(--${name})!important}`).join("")}
td small{display:block}tbody tr:first-child th,tbody tr:first-child td{font-weight:400}tbody tr.best th,tbody tr.best td{font-weight:600}`;

/**
 * The results of a sweep as one HTML page that needs nothing else: the table, and small multiples of the training curves, a line a variant with its
 * mean and the range over its seeds. Pure.
 */
export function renderSweep(results: SweepResults, stages: readonly SweptStage[], title: string): string {
  const { variants, objective } = results;
  const best = variants[0];
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title><style>${new Html(styleSheet + moreColorRules + ownStyle)}</style></head>
<body><main>
<h1>${title}</h1>
${objective !== undefined && best?.objective !== undefined ? html`<p class="headline">${variants.every((variant) => variant.objective !== undefined) ? "Best" : "Best so far"} of ${variants.length} variants by <b>${objective.metric}</b> of ${objective.stage}: <b>${best.name}</b>, ${spread(best.objective)}.</p>` : undefined}
<h2>Variants</h2>
<p class="note">Means over seeds, with the sample standard deviation; small: the range. The coloured ones are drawn in their colours below.</p>
${resultTable(results)}
${stages.map((stage) => stageSection(stage))}
</main></body></html>
`.text;
}

function resultTable({ objective, columns, variants }: SweepResults): Html {
  const shown = columns.filter((column) => objective === undefined || column !== objective.metric);
  return html`<div class="wide"><table><thead><tr><th>variant</th><th class="number">seeds</th>${objective && html`<th class="number">${objective.metric.replace(/eval\//, "")}</th>`}
${shown.map((column) => html`<th class="number">${column.replace(/eval\//, "")}</th>`)}<th>stages</th></tr></thead>
<tbody>${variants.map((variant, index) => html`<tr class="${index === 0 && variant.objective !== undefined ? "best" : "other"}"><th scope="row">${swatch(index)}${variant.name}</th><td class="number">${variant.seeds}</td>
${objective && cell(variant.objective)}${shown.map((column) => cell(variant.figures[column]))}<td>${statesText(variant)}</td></tr>`)}</tbody></table></div>`;
}

function cell(value: Pooled | undefined): Html {
  if (value === undefined) return html`<td class="number">–</td>`;
  const { mean, min, max, deviation } = value;
  return html`<td class="number">${figure(mean)}${deviation === undefined ? undefined : html` ± ${figure(deviation)} <small>${figure(min)} to ${figure(max)}</small>`}</td>`;
}

function swatch(index: number): Html | undefined {
  const name = manyColors[index];
  return name === undefined ? undefined : html`<i class="swatch ${name}"></i>`;
}

/** A figure with its spread, in words. */
function spread({ mean, min, max, deviation, count }: Pooled): string {
  return deviation === undefined ? figure(mean) : `${figure(mean)} ± ${figure(deviation)} over ${count} seeds (${figure(min)} to ${figure(max)})`;
}

function stageSection({ stage, kind, variants }: SweptStage): Html | undefined {
  const figures = panels.flatMap((panel) => variants.some(({ seeds }) => seeds.some((lines) => hasMetric(lines, panel))) ? [panelFigure(panel, variants)] : []);
  if (figures.length === 0) return undefined;
  const named = variants.slice(0, manyColors.length);
  return html`<h2>${stage} <span class="kind">${kind}</span></h2>
<p class="legend">${named.map(({ name }, index) => html`<span><i class="${manyColors[index]!}"></i>${name}</span>`)}${variants.length > named.length ? html`<span><i class="rest"></i>${variants.length - named.length} others</span>` : undefined}</p>
<p class="note">Lines are means over seeds, bands their range.</p>
<div class="figures">${figures}</div>`;
}

const hasMetric = (lines: readonly MetricsLine[], { metrics }: Panel): boolean => lines.some((line) => metrics[0]![0] in line);

function panelFigure({ title, note, metrics }: Panel, variants: SweptStage["variants"]): Html {
  const [metric] = metrics[0]!;
  // The best are drawn last, over the others.
  const series = variants.flatMap(({ seeds }, index) => bandSeries(bandOf(seeds.map((lines) => pointsOf(lines, metric))), index)).reverse();
  return html`<figure><figcaption><b>${title}</b>${note && html` <span>${note}</span>`}</figcaption>${new Html(drawFigure({
    grid: { left: 4, right: 14, top: 10, bottom: 4, containLabel: true },
    xAxis: axis({ type: "value", min: "dataMin", max: "dataMax", splitLine: { show: false }, splitNumber: 4 }),
    yAxis: axis({ type: "value", scale: true, splitNumber: 4 }), series,
  }, { width: 350, height: 190 }))}</figure>`;
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
