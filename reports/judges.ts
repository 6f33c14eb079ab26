import type { Interval, Judges, VerdictGroup } from "../schemas/report.js";
import { html, type Html } from "./html.js";
import { judgeName } from "./headline.js";
import { figure, percent, percentRange, percentWithRange } from "./numbers.js";

/** What each judge says, by parts of the prompts, and how far the judges agree. */
export function judgesSection(judges: Judges | undefined): Html | undefined {
  if (judges === undefined) return undefined;
  const { tables, agreement, intervals } = judges;
  return html`<h2>Judges</h2>
${tables.map(({ judge, groups, orders }) => html`<h3>${judgeName(judge)}</h3>${verdictTable(groups)}${orders && html`<p class="note">Asked twice about each comparison, the answers changing
places: it said the same ${percent(orders.same.value)} of the time (${percentRange(orders.same)}); where it did not, the comparison is a tie. Of ${orders.questions} questions ${orders.unread} got no reply that could be read.</p>`}`)}
${agreement.length === 0 ? undefined : html`<h3>Agreement</h3>${agreementTable(agreement)}`}
<p class="note">${intervals}</p>`;
}

/** A row for all prompts, one for each value of a tag, and one for each combination of values. */
function verdictTable(groups: readonly VerdictGroup[]): Html {
  const rate = (interval: Interval) => html`<td>${percentWithRange(interval)}</td>`;
  return html`<div class="wide"><table><thead><tr><th>Part</th><th class="number">prompts</th><th>win</th><th>tie</th><th>lose</th><th>win − lose</th></tr></thead>
<tbody>${groups.map(({ tags, prompts, win, tie, lose, net }) => html`<tr><th scope="row">${partName(tags)}</th><td class="number">${prompts}</td>${
  [win, tie, lose, net].map(rate)}</tr>`)}</tbody></table></div>`;
}

/** Each pair of judges: how often they say the same, and Cohen's kappa. */
function agreementTable(agreement: Judges["agreement"]): Html {
  return html`<div class="wide"><table><thead><tr><th>Judges</th><th class="number">comparisons</th><th>agree</th><th>kappa</th></tr></thead>
<tbody>${agreement.map(({ judges: [first, second], comparisons, raw, kappa }) => html`<tr><th scope="row">${judgeName(first)} and ${judgeName(second)}</th><td class="number">${comparisons}</td>
<td>${percentWithRange(raw)}</td><td>${
  kappa === undefined ? "–" : html`${figure(kappa.value)} <small>${figure(kappa.low)} to ${figure(kappa.high)}</small>`}</td></tr>`)}</tbody></table></div>`;
}

export function partName(tags: Readonly<Record<string, string>>): string {
  const values = Object.values(tags);
  return values.length === 0 ? "all prompts" : values.join(" · ");
}
