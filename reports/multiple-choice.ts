import type { ChoiceReport, ChoiceScore } from "../schemas/choice-report.js";
import { html, type Html } from "./html.js";
import { partName } from "./judges.js";
import { percent, percentRange, percentWithRange } from "./numbers.js";
import { page } from "./page.js";

/** A multiple-choice stage as one HTML page that needs nothing else. Pure. */
export function renderChoiceReport(report: ChoiceReport, title: string): string {
  const { overall, groups, subjects } = report;
  return page(title, html`<p class="headline">It chooses the right answer to <b>${percent(overall.accuracy.value)}</b> of ${overall.questions} questions (95 % interval ${percentRange(overall.accuracy)}); guessing gets ${percent(overall.chance)}.</p>
<h2>By part</h2>
${scoreTable("Part", [["all questions", overall], ...groups.map((group) => [partName(group.tags), group] as const)])}
<h2>By subject</h2>
${scoreTable("Subject", subjects.map((score) => [score.subject, score] as const))}
<h2>How this was measured</h2>
<p class="note">${method(report)}</p>`);
}

function scoreTable(what: string, rows: readonly (readonly [name: string, score: ChoiceScore])[]): Html {
  const normalized = rows.some(([, score]) => score.normalizedAccuracy !== undefined);
  const cell = (interval: ChoiceScore["accuracy"] | undefined) => html`<td>${interval && percentWithRange(interval)}</td>`;
  return html`<div class="wide"><table><thead><tr><th>${what}</th><th class="number">questions</th><th>accuracy</th>${normalized ? html`<th>by likelihood a character</th>` : undefined}<th>chance</th></tr></thead>
<tbody>${rows.map(([name, score]) => html`<tr><th scope="row">${name}</th><td class="number">${score.questions}</td>${cell(score.accuracy)}${
  normalized ? cell(score.normalizedAccuracy) : undefined}<td>${percent(score.chance)}</td></tr>`)}</tbody></table></div>`;
}

function method({ scoring, form, fewShot, fewerShots, tooLong, intervals }: ChoiceReport): string {
  const notes = [
    scoring === "letter" ? "The choices are listed, and the answer is the likeliest of their letters." : "The answer is the likeliest choice, by the sum of its tokens' log-probabilities.",
    form === "plain" ? "Questions are running text." : "Questions are turns in the chat template.",
    fewShot === 0 ? "No examples stand before a question." : `Up to ${fewShot} examples of the same subject stand before a question${fewerShots === 0 ? "" : `; before ${fewerShots} there were fewer`}.`,
    ...(tooLong === 0 ? [] : [`${tooLong} questions were longer than the context and not asked.`]),
  ];
  return [...notes, intervals].join(" ");
}
