import type { Report } from "../schemas/report.js";
import { stageFigures, type StageCurves } from "./curves.js";
import { headline, judgeName, scoresSentence, warnings, type Names } from "./headline.js";
import { differenceHistogram } from "./histogram.js";
import { Html, html } from "./html.js";
import { judgesSection } from "./judges.js";
import { percent, percentRange, unreadReplies } from "./numbers.js";
import { page } from "./page.js";
import { groupTable, samples, tiles } from "./parts.js";

/** What the page is called and what it compares. */
export interface ReportHeading {
  readonly title: string;
  /** Names of candidate and baseline; default: those words. */
  readonly names?: Names;
}

/**
 * An evaluation as one HTML page that needs nothing else: no script, no network, light or dark as the reader's system is.
 * `curves` are the metrics of the candidate and of the stages before it, in the order they are to be shown. Pure.
 */
export function renderReport(report: Report, curves: readonly StageCurves[], heading: ReportHeading): string {
  const names = heading.names ?? { candidate: "the candidate", baseline: "the baseline" };
  const figures = curves.flatMap((stage) => stageFigures(stage) ?? []);
  return page(heading.title, html`<p class="headline">${headline(report, names)}</p>
<p>On average: ${scoresSentence(report)}</p>
${warnings(report).map((warning) => html`<p class="warning">${warning}</p>`)}
${tiles(report)}
<h2>By part</h2>
<p class="note">Small figures: the interval of the win rate, else the baseline's value.</p>
${groupTable(report)}${judgesSection(report.judges)}
${rewardModelSection(report)}
${figures.length > 0 ? html`<h2>Training</h2>${figures}` : undefined}
${report.samples.length > 0 ? html`<h2>Samples</h2>${samples(report, names)}` : undefined}
<h2>How this was measured</h2>
${method(report)}`);
}

function rewardModelSection({ rewardModel }: Report): Html | undefined {
  if (rewardModel === undefined) return undefined;
  const { pairs, accuracy, differences } = rewardModel;
  return html`<h2>Reward model</h2>
<p>It ranks <b>${percent(accuracy.value)}</b> of ${pairs} held-out pairs as the labels do (95 % interval ${percentRange(accuracy)}).
Bars left of 0 are pairs it gets wrong.</p>
<figure>${new Html(differenceHistogram(differences))}</figure>`;
}

function method({ overall, judge, tieMargin, sampling, intervals, baselineIs, rewardReplies }: Report): Html {
  const { temperature, topP, topK, repetitionPenalty, maxNewTokens, baselineSamples, seed } = sampling;
  const filters = [topP < 1 ? `, top-p ${topP}` : "", topK > 0 ? `, top-k ${topK}` : "", repetitionPenalty === 1 ? "" : `, repetition penalty ${repetitionPenalty}`];
  return html`<p class="note">${overall.prompts} held-out prompts, one answer of the candidate to each, compared with
${baselines[baselineIs](baselineSamples)}; scores of ${judgeName(judge)} within
${tieMargin} are a tie. Temperature ${temperature}${filters.join("")}, at most ${maxNewTokens} new tokens, seed ${seed}. ${intervals}
KL is the mean over the candidate's answers of the sum of log π − log π_baseline; perplexity is exp(mean negative log-likelihood a response token) under the
model that answered; both at the sampling temperature.${rewardReplies
    && new Html(` ${unreadReplies(rewardReplies)}`)}</p>`;
}

const baselines: Readonly<Record<Report["baselineIs"], (samples: number) => string>> = {
  model: (samples) => `${samples} of the baseline model`, answers: (samples) => `up to ${samples} written ones`, chat: (samples) => `${samples} of a model behind an HTTP API`,
};
