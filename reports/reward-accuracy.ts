import type { AccuracyReport, Ranked } from "../schemas/reward-accuracy-report.js";
import { differenceHistogram } from "./histogram.js";
import { html, Html } from "./html.js";
import { percent, percentRange, percentWithRange } from "./numbers.js";
import { page } from "./page.js";

/** A reward-accuracy stage as one HTML page that needs nothing else. Pure. */
export function renderRewardAccuracy(report: AccuracyReport, title: string): string {
  const { overall, sets, tooLong, intervals } = report;
  return page(title, html`<p class="headline">It gives the preferred answer the higher score in <b>${percent(overall.accuracy.value)}</b> of ${overall.pairs} held-out pairs (95 % interval ${percentRange(overall.accuracy)}); chance is 50 %.</p>
<h2>By data</h2>
${accuracyTable(sets.flatMap(({ name, groups, ...set }) => [[html`${name}`, set] as const, ...groups.map((group) => [html`<span class="kind">${name} ${group.tag}</span> ${group.value}`, group] as const)]))}
${sets.map(({ name, differences }) => html`<h2>${name}</h2>
<figure>${new Html(differenceHistogram(differences))}</figure>`)}
<h2>How this was measured</h2>
<p class="note">Bars left of 0 are pairs that it gets wrong; equal scores count as wrong. A rule that prefers the longer answer is right where that is preferred, of the pairs whose answers differ in length.
${tooLong === 0 ? undefined : `${tooLong} pairs were longer than the context and not ranked. `}${intervals}</p>`);
}

function accuracyTable(rows: readonly (readonly [name: Html, ranked: Ranked])[]): Html {
  const cell = (interval: Ranked["longer"]) => html`<td>${interval === undefined ? "–" : percentWithRange(interval)}</td>`;
  return html`<div class="wide"><table><thead><tr><th>Pairs</th><th class="number">pairs</th><th class="number">prompts</th><th>accuracy</th><th>the longer preferred</th></tr></thead>
<tbody>${rows.map(([name, { pairs, prompts, accuracy, longer }]) => html`<tr><th scope="row">${name}</th><td class="number">${pairs}</td><td class="number">${prompts}</td>${cell(accuracy)}${cell(longer)}</tr>`)}</tbody></table></div>`;
}
