import type { LabelledPair, PreferencesPart, PreferencesReport } from "../schemas/preferences-report.js";
import { judgeName } from "./headline.js";
import { html, type Html } from "./html.js";
import { figure, percent, percentWithRange, unreadReplies } from "./numbers.js";
import { page } from "./page.js";

/** A preferences stage as one HTML page that needs nothing else. Pure. */
export function renderPreferences(report: PreferencesReport, title: string): string {
  const { train, heldOut, groups, examples } = report;
  return page(title, html`<p class="headline"><b>${train.pairs}</b> pairs of answers to ${train.prompts} prompts${heldOut && html`, and <b>${heldOut.pairs}</b> to ${heldOut.prompts} held-out prompts`}, labelled by ${judgeName(report.judge)}.</p>
${warnings(report).map((warning) => html`<p class="warning">${warning}</p>`)}
<h2>By part</h2>
${partTable([["training prompts", train], ...heldOut === undefined ? [] : [["held-out prompts", heldOut] as const], ...groups.map((group) => [`${group.tag} ${group.value}`, group] as const)])}
<h2>Pairs</h2>
${examples.map(example)}
<h2>How they were made</h2>
<p class="note">${method(report)}</p>`);
}

function partTable(parts: readonly (readonly [name: string, part: PreferencesPart])[]): Html {
  const sides = (of: (means: NonNullable<PreferencesPart["chosen"]>) => string) => ({ chosen, rejected }: PreferencesPart): string | undefined =>
    (chosen && rejected ? `${of(chosen)} against ${of(rejected)}` : undefined);
  const share = (interval: PreferencesPart["longer"]): Html | undefined => interval && percentWithRange(interval);
  const columns: readonly (readonly [string, (part: PreferencesPart) => string | Html | undefined])[] = [
    ["prompts", ({ prompts }) => String(prompts)],
    ["pairs", ({ pairs, flipped }) => html`${pairs}${flipped === 0 ? undefined : html` <small>${flipped} flipped</small>`}`],
    ["without a pair", ({ unpaired }) => String(unpaired)],
    ["too close", ({ close }) => String(close)],
    ["blank or alike", ({ alike }) => String(alike)],
    ["score of all answers", ({ answers }) => html`${figure(answers.score)} <small>± ${figure(answers.scoreStd)}</small>`],
    ["score, chosen against rejected", sides(({ score }) => figure(score))],
    ["tokens", sides(({ length }) => figure(length))],
    ["no end", sides(({ unfinished }) => percent(unfinished))],
    ["the longer preferred", ({ longer }) => share(longer)],
    ["gold agrees", ({ agreement }) => share(agreement)],
  ];
  const used = columns.filter(([, cell]) => parts.some(([, part]) => cell(part) !== undefined));
  return html`<div class="wide"><table><thead><tr><th>Part</th>${used.map(([name]) => html`<th>${name}</th>`)}</tr></thead>
<tbody>${parts.map(([name, part]) => html`<tr><th scope="row">${name}</th>${used.map(([, cell]) => html`<td>${cell(part) ?? "–"}</td>`)}</tr>`)}</tbody></table></div>`;
}

function example({ prompt, tags, chosen, rejected, score_chosen, score_rejected }: LabelledPair): Html {
  const side = (name: string, text: string, score: number) => html`<div><h4>${name} <span class="kind">score ${figure(score)}</span></h4><p class="text">${text}</p></div>`;
  return html`<article class="sample">
<header><span class="kind">${Object.values(tags).join(" · ")}</span></header>
${prompt.map(({ role, content }) => html`<p class="turn"><b>${role}</b> <span class="text">${content}</span></p>`)}
<div class="sides">${side("chosen", chosen, score_chosen)}${side("rejected", rejected, score_rejected)}</div></article>`;
}

/** What a reward model or a policy may learn from the pairs besides what is meant. */
function warnings({ train }: PreferencesReport): string[] {
  const found: string[] = [];
  if (train.longer && train.longer.low > 0.7) found.push(`The longer answer is preferred in ${percent(train.longer.value)} of the pairs: length alone explains most labels.`);
  if (train.longer && train.longer.high < 0.3) found.push(`The shorter answer is preferred in ${percent(1 - train.longer.value)} of the pairs: length alone explains most labels.`);
  if (train.rejected && train.chosen && train.rejected.unfinished > train.chosen.unfinished + 0.2) {
    found.push(`${percent(train.rejected.unfinished)} of the rejected answers were cut at maxNewTokens, of the chosen ones ${percent(train.chosen.unfinished)}; the text of a pair does not show where an answer was cut.`);
  }
  return found;
}

function method({ margin, most, noise, rewardReplies, sampling: { samples, temperature, topP, topK, repetitionPenalty, maxNewTokens, seed }, intervals }: PreferencesReport): string {
  return [
    `${samples} answers to each prompt: temperature ${temperature}, top-p ${topP}, top-k ${topK}, repetition penalty ${repetitionPenalty}, at most ${maxNewTokens} tokens, seed ${seed}.`,
    `Of two different ones whose scores differ by more than ${margin} the higher is preferred; at most ${most} pairs a prompt, those that differ most.`,
    ...(noise === 0 ? [] : [`${percent(noise)} of the training labels were to be flipped.`]),
    ...(rewardReplies === undefined ? [] : [unreadReplies(rewardReplies)]), intervals,
  ].join(" ");
}
