import type { AnsweredPrompt } from "../schemas/report.js";

/** A row of format preference. */
export interface PreferenceRow {
  readonly prompt: AnsweredPrompt["prompt"];
  readonly chosen: string;
  readonly rejected: string;
  readonly tags: Readonly<Record<string, string>>;
}

export interface Pairing {
  /** Scores that differ by no more make no pair. */
  readonly margin: number;
  /** Pairs of a prompt at most, those that differ most. */
  readonly most: number;
}

/** What a prompt's answers make. */
export interface PairedAnswers<Answer> {
  /** Widest first; of each the answer of the higher score first. */
  readonly pairs: readonly (readonly [better: Answer, worse: Answer])[];
  /** Two answers within the margin. */
  readonly close: number;
  /** Answers that are blank, or that an earlier one equals. */
  readonly alike: number;
}

/** Pairs of different answers to the same prompt, whose scores say which is better. Answers without a score are left out. Pure. */
export function pairAnswers<Answer extends { readonly text: string }>(
  answers: readonly Answer[], scoreOf: (answer: Answer) => number | undefined, { margin, most }: Pairing,
): PairedAnswers<Answer> {
  const scored = answers.flatMap((answer) => {
    const score = scoreOf(answer);
    return score === undefined ? [] : [{ answer, score }];
  });
  // The same text twice is one answer.
  const known = scored.filter(({ answer: { text } }, index) => text.trim() !== "" && scored.findIndex(({ answer }) => answer.text === text) === index);
  const both = known.flatMap((first, index) => known.slice(index + 1).map((second) => (first.score >= second.score ? [first, second] as const : [second, first] as const)));
  // The slack keeps a margin of 0.05 from hanging on the last bit of 0.85 − 0.8.
  const apart = both.filter(([better, worse]) => better.score - worse.score > margin + 1e-9);
  return {
    pairs: apart.sort(([a, b], [c, d]) => (c.score - d.score) - (a.score - b.score)).slice(0, most).map(([better, worse]) => [better.answer, worse.answer]),
    close: both.length - apart.length, alike: scored.length - known.length,
  };
}

/** Pairs of the baseline's answers to each prompt of an evaluation, labelled by the gold score. Pure. */
export function preferencePairs(answered: readonly AnsweredPrompt[], margin: number, most: number): PreferenceRow[] {
  return answered.flatMap(({ prompt, tags, baseline }) => pairAnswers(baseline, ({ gold }) => gold, { margin, most }).pairs
    .map(([better, worse]) => ({ prompt, chosen: better.text, rejected: worse.text, tags })));
}
