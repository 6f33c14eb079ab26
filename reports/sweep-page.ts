import { bandsOf, drawnPanels, type SweptStage } from "./bands.js";
import type { Panel } from "./curves.js";
import { axis, drawFigure } from "./figures.js";
import { html, Html } from "./html.js";
import { figure } from "./numbers.js";
import { page } from "./page.js";
import { statesText, type Pooled, type SweepResults } from "./sweep-results.js";
import { manyColors, moreColorRules } from "./theme.js";

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
  return page(title, html`${objective !== undefined && best?.objective !== undefined ? html`<p class="headline">${variants.every((variant) => variant.objective !== undefined) ? "Best" : "Best so far"} of ${variants.length} variants by <b>${objective.metric}</b> of ${objective.stage}: <b>${best.name}</b>, ${spread(best.objective)}.</p>` : undefined}
<h2>Variants</h2>
<p class="note">Means over seeds, with the sample standard deviation; small: the range. The coloured ones are drawn in their colours below.</p>
${resultTable(results)}
${stages.map((stage) => stageSection(stage))}`, moreColorRules + ownStyle);
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
  const figures = drawnPanels(variants).map((panel) => panelFigure(panel, variants));
  if (figures.length === 0) return undefined;
  const named = variants.slice(0, manyColors.length);
  return html`<h2>${stage} <span class="kind">${kind}</span></h2>
<p class="legend">${named.map(({ name }, index) => html`<span><i class="${manyColors[index]!}"></i>${name}</span>`)}${variants.length > named.length ? html`<span><i class="rest"></i>${variants.length - named.length} others</span>` : undefined}</p>
<p class="note">Lines are means over seeds, bands their range.</p>
<div class="figures">${figures}</div>`;
}

function panelFigure(panel: Panel, variants: SweptStage["variants"]): Html {
  const { title, note } = panel;
  return html`<figure><figcaption><b>${title}</b>${note && html` <span>${note}</span>`}</figcaption>${new Html(drawFigure({
    grid: { left: 4, right: 14, top: 10, bottom: 4, containLabel: true },
    xAxis: axis({ type: "value", min: "dataMin", max: "dataMax", splitLine: { show: false }, splitNumber: 4 }),
    yAxis: axis({ type: "value", scale: true, splitNumber: 4 }), series: bandsOf(variants, panel),
  }, { width: 350, height: 190 }))}</figure>`;
}
