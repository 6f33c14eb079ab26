import type { AnsweredPrompt } from "../schemas/report.js";

/** A row of format preference. */
export interface PreferenceRow {
  readonly prompt: AnsweredPrompt["prompt"];
  readonly chosen: string;
  readonly rejected: string;
  readonly tags: Readonly<Record<string, string>>;
}

/**
 * Pairs of the baseline's answers to the same prompt, labelled by the gold score: the answer of the higher one is preferred. Pairs within `margin` are
 * left out, for the label would be chance, and so are answers without a gold score. Pure.
 * @param most at most so many of a prompt, those that differ most.
 */
export function preferencePairs(answered: readonly AnsweredPrompt[], margin: number, most: number): PreferenceRow[] {
  return answered.flatMap(({ prompt, tags, baseline }) => {
    // The same text twice is one answer.
    const known = [...new Map(baseline.flatMap(({ text, gold }) => (gold === undefined || text.trim() === "" ? [] : [[text, { text, gold }] as const]))).values()];
    const pairs = known.flatMap((first, index) => known.slice(index + 1).map((second) => (first.gold >= second.gold ? [first, second] as const : [second, first] as const)));
    return pairs.filter(([better, worse]) => better.gold - worse.gold > margin + 1e-9)
      .sort(([a, b], [c, d]) => (c.gold - d.gold) - (a.gold - b.gold)).slice(0, most)
      .map(([better, worse]) => ({ prompt, chosen: better.text, rejected: worse.text, tags }));
  });
}
