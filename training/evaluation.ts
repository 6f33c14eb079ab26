import type { Answer, AnsweredPrompt, Interval, Outcome, Report, ReportGroup, ReportSide } from "../schemas/report.js";
import { mean } from "./experience.js";
import { bootstrap, wilson } from "./intervals.js";

export interface Judging {
  readonly judge: string;
  /** Score differences within this are ties. */
  readonly tieMargin: number;
  readonly seed: number;
}

/** Tags with more values than this say little as rows of a table. */
export const MAX_VALUES_OF_A_TAG = 12;

/** The candidate's answer against one of the baseline's, by the judge's scores. */
export function outcomeOf(candidate: Answer, baseline: Answer, { judge, tieMargin }: Omit<Judging, "seed">): Outcome {
  const difference = judged(candidate, judge) - judged(baseline, judge);
  // The slack keeps a margin of 0.05 from hanging on the last bit of 0.85 − 0.8.
  if (Math.abs(difference) <= tieMargin + 1e-9) return "tie";
  return difference > 0 ? "win" : "lose";
}

/**
 * Win, tie and lose rates and what betrays a collapse, over all prompts given. Each prompt counts once, however many
 * baseline answers it was compared with. Interval of the win rate: Wilson's with one baseline answer a prompt, the
 * bootstrap over prompts with more; of the difference of win and lose rate: the bootstrap.
 */
export function summarize(answered: readonly AnsweredPrompt[], judging: Judging): ReportGroup {
  const shares = answered.map((prompt) => outcomeShares(prompt, judging));
  const candidates = answered.map(({ candidate }) => candidate);
  const kl = candidates.flatMap(({ logProbability, baselineLogProbability }) =>
    (logProbability === undefined || baselineLogProbability === undefined ? [] : [logProbability - baselineLogProbability]));
  const hasKl = kl.length === candidates.length;
  return {
    prompts: answered.length,
    win: winInterval(shares, answered, judging.seed),
    tie: mean(shares.map(({ tie }) => tie)),
    lose: mean(shares.map(({ lose }) => lose)),
    net: bootstrap(shares.map(({ win, lose }) => win - lose), judging.seed),
    candidate: sideOf(candidates),
    baseline: sideOf(answered.flatMap(({ baseline }) => baseline)),
    ...(hasKl && { kl: mean(kl), klPerToken: sum(kl) / sum(candidates.map(({ tokens }) => tokens)) }),
  };
}

/** A summary for each value of each tag that divides the prompts into a few groups. */
export function summarizeByTag(answered: readonly AnsweredPrompt[], judging: Judging): Report["groups"] {
  return byTag(answered, (some) => summarize(some, judging));
}

/** What a function makes of the rows with each value of each tag that divides them into a few groups. */
export function byTag<Row extends Tagged, Summary extends object>(rows: readonly Row[], summaryOf: (some: readonly Row[]) => Summary): (Summary & { readonly tag: string; readonly value: string })[] {
  return groupingTags(rows).flatMap(([tag, values]) => values.map((value) => ({ tag, value, ...summaryOf(rows.filter(({ tags }) => tags[tag] === value)) })));
}

/** What bears tags, such as a prompt. */
interface Tagged {
  readonly tags: Readonly<Record<string, string>>;
}

/** Tags that divide prompts into a few groups, in order, each with its values in order. */
export function groupingTags(prompts: readonly Tagged[]): [tag: string, values: string[]][] {
  const tags = [...new Set(prompts.flatMap((prompt) => Object.keys(prompt.tags)))].sort();
  return tags.flatMap((tag): [string, string[]][] => {
    const values = [...new Set(prompts.flatMap((prompt) => prompt.tags[tag] ?? []))].sort();
    return values.length < 2 || values.length > MAX_VALUES_OF_A_TAG ? [] : [[tag, values]];
  });
}

/** The method of `summarize`, in words for the reader of a report. */
export function describeIntervals(baselineSamples: number): string {
  return baselineSamples === 1
    ? "95 % intervals: win rate by Wilson's score over prompts; difference by the bootstrap over prompts (4000 resamples, seeded)."
    : "95 % intervals: percentile bootstrap over prompts (4000 resamples, seeded), so that answers to one prompt count as one observation.";
}

/** A summary's headline figures under their stable names. */
export function figuresOf(group: ReportGroup): Record<string, number> {
  return defined({
    "eval/win_rate": group.win.value, "eval/win_rate_low": group.win.low, "eval/win_rate_high": group.win.high,
    "eval/tie_rate": group.tie, "eval/lose_rate": group.lose,
    "eval/net_win_rate": group.net.value, "eval/net_win_rate_low": group.net.low, "eval/net_win_rate_high": group.net.high,
    "eval/gold": group.candidate.gold, "eval/gold_baseline": group.baseline.gold,
    "eval/proxy": group.candidate.proxy, "eval/proxy_baseline": group.baseline.proxy,
    "eval/kl": group.kl, "eval/kl_per_token": group.klPerToken,
    "eval/length": group.candidate.length, "eval/length_baseline": group.baseline.length,
    "eval/perplexity": group.candidate.perplexity, "eval/perplexity_baseline": group.baseline.perplexity,
    "eval/unfinished": group.candidate.unfinished, "eval/unfinished_baseline": group.baseline.unfinished,
  });
}

function judged(answer: Answer, judge: string): number {
  switch (judge) {
    case "gold": return answer.gold!;
    case "held-out-reward-model": return answer.heldOutProxy!;
    default: return answer.proxy!;
  }
}

/** The candidate's outcomes against the baseline's answers: the judge's verdicts where they were kept, else by its scores. */
export function outcomesOf({ candidate, baseline, verdicts }: AnsweredPrompt, judging: Judging): readonly Outcome[] {
  return verdicts?.[judging.judge] ?? baseline.map((answer) => outcomeOf(candidate, answer, judging));
}

function outcomeShares(prompt: AnsweredPrompt, judging: Judging): Record<Outcome, number> {
  const outcomes = outcomesOf(prompt, judging);
  const share = (outcome: Outcome) => outcomes.filter((other) => other === outcome).length / outcomes.length;
  return { win: share("win"), tie: share("tie"), lose: share("lose") };
}

function winInterval(shares: readonly Record<Outcome, number>[], answered: readonly AnsweredPrompt[], seed: number): Interval {
  const wins = shares.map(({ win }) => win);
  return answered.every(({ baseline }) => baseline.length === 1) ? wilson(sum(wins), wins.length) : bootstrap(wins, seed);
}

function sideOf(answers: readonly Answer[]): ReportSide {
  const everyones = (pick: (answer: Answer) => number | undefined): number[] | undefined => {
    const found = answers.flatMap((answer) => pick(answer) ?? []);
    return found.length === answers.length ? found : undefined;
  };
  const gold = everyones((answer) => answer.gold);
  const proxy = everyones((answer) => answer.proxy);
  const logProbabilities = everyones((answer) => answer.logProbability);
  const tokens = sum(answers.map((answer) => answer.tokens));
  return {
    ...(gold && { gold: mean(gold) }),
    ...(proxy && { proxy: mean(proxy) }),
    length: tokens / answers.length,
    ...(logProbabilities && { perplexity: Math.exp(-sum(logProbabilities) / tokens) }),
    unfinished: mean(answers.map(({ finished }) => (finished ? 0 : 1))),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function defined(figures: Readonly<Record<string, number | undefined>>): Record<string, number> {
  return Object.fromEntries(Object.entries(figures).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
