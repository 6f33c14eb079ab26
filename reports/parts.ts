import type { Answer, Report, ReportGroup } from "../schemas/report.js";
import { html, type Html } from "./html.js";
import { figure, percent, percentRange, percentWithRange } from "./numbers.js";

/** The key figures as tiles: the candidate's large, the baseline's under it. */
export function tiles({ overall }: Report): Html {
  const { candidate, baseline } = overall;
  const shown: readonly (readonly [string, string | undefined, string | undefined])[] = [
    ["Win rate", percent(overall.win.value), percentRange(overall.win)],
    ["Gold score", optional(candidate.gold), against(baseline.gold)],
    ["Reward score", optional(candidate.proxy), against(baseline.proxy)],
    ["KL, nats", optional(overall.kl), overall.klPerToken === undefined ? undefined : `an answer; ${figure(overall.klPerToken)} a token`],
    ["Length, tokens", figure(candidate.length), against(baseline.length)],
    ["Perplexity", optional(candidate.perplexity), against(baseline.perplexity)],
    ["Without an end", percent(candidate.unfinished), `baseline ${percent(baseline.unfinished)}`],
  ];
  return html`<dl class="tiles">${shown.map(([name, value, note]) =>
    (value === undefined ? undefined : html`<div><dt>${name}</dt><dd>${value}<small>${note}</small></dd></div>`))}</dl>`;
}

/** A row for all prompts and one for each value of a tag. */
export function groupTable({ overall, groups }: Report): Html {
  const rows = [{ tag: "", value: "all prompts", ...overall }, ...groups];
  const columns: readonly (readonly [string, (group: ReportGroup) => string | Html | undefined])[] = [
    ["win · tie · lose", outcomeBar],
    ["win rate", ({ win }) => percentWithRange(win)],
    ["gold", ({ candidate, baseline }) => change(candidate.gold, baseline.gold)],
    ["reward", ({ candidate, baseline }) => change(candidate.proxy, baseline.proxy)],
    ["KL", ({ kl }) => optional(kl)],
    ["length", ({ candidate, baseline }) => change(candidate.length, baseline.length)],
    ["perplexity", ({ candidate, baseline }) => change(candidate.perplexity, baseline.perplexity)],
    ["no end", ({ candidate }) => percent(candidate.unfinished)],
  ];
  const used = columns.filter(([, cell]) => rows.some((row) => cell(row) !== undefined));
  return html`<div class="wide"><table><thead><tr><th>Part</th><th class="number">prompts</th>${used.map(([name]) => html`<th>${name}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr><th scope="row">${row.tag === "" ? undefined : html`<span class="kind">${row.tag}</span> `}${row.value}</th><td class="number">${row.prompts}</td>${
  used.map(([, cell]) => html`<td>${cell(row) ?? "–"}</td>`)}</tr>`)}</tbody></table></div>`;
}

/** Prompts with an answer of each side by side. */
export function samples({ samples: shown }: Report, names: { readonly candidate: string; readonly baseline: string }): Html {
  const side = (name: string, answer: Answer) => html`<div><h4>${name} <span class="kind">${facts(answer)}</span></h4>
<p class="text">${answer.text === "" ? html`<i>(nothing)</i>` : answer.text}${answer.finished ? undefined : html`<span class="cut" title="cut at the cap"> …</span>`}</p></div>`;
  return html`${shown.map(({ prompt, tags, candidate, baseline, outcome }) => html`<article class="sample">
<header><span class="badge ${outcome}">${outcome}</span> <span class="kind">${Object.values(tags).join(" · ")}</span></header>
${prompt.map(({ role, content }) => html`<p class="turn"><b>${role}</b> <span class="text">${content}</span></p>`)}
<div class="sides">${side(names.candidate, candidate)}${side(names.baseline, baseline[0]!)}</div></article>`)}`;
}

function facts({ gold, proxy, tokens }: Answer): string {
  return [gold === undefined ? [] : [`gold ${figure(gold)}`], proxy === undefined ? [] : [`reward ${figure(proxy)}`], [`${tokens} tokens`]].flat().join(", ");
}

function outcomeBar({ win, tie, lose }: ReportGroup): Html {
  const part = (name: string, share: number) => html`<i class="${name}" style="width:${(100 * share).toFixed(2)}%"></i>`;
  return html`<span class="bar" role="img" aria-label="win ${percent(win.value)}, tie ${percent(tie)}, lose ${percent(lose)}">${part("win", win.value)}${part("tie", tie)}${part("lose", lose)}</span>`;
}

function change(ours: number | undefined, theirs: number | undefined): Html | undefined {
  if (ours === undefined) return undefined;
  return html`${figure(ours)}${theirs === undefined ? undefined : html` <small>${figure(theirs)}</small>`}`;
}

function optional(value: number | undefined): string | undefined {
  return value === undefined ? undefined : figure(value);
}

function against(value: number | undefined): string | undefined {
  return value === undefined ? undefined : `baseline ${figure(value)}`;
}
