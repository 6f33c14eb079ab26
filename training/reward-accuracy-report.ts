import { promptKey } from "../data/split.js";
import type { Message } from "../data/types.js";
import type { AccuracyReport, Ranked } from "../schemas/reward-accuracy-report.js";
import { byTag } from "./evaluation.js";
import { clusteredShare, clusteredWords } from "./intervals.js";

/** A pair that a reward model has scored. */
export interface RankedPair {
  /** The data that it is of. */
  readonly set: string;
  readonly prompt: readonly Message[];
  readonly tags: Readonly<Record<string, string>>;
  /** Raw score of the preferred answer minus that of the other. */
  readonly difference: number;
  /** Tokens of the preferred answer and of the other. */
  readonly lengths: readonly [chosen: number, rejected: number];
}

/** The whole report of a reward-accuracy stage; equal scores count as wrong. Pure. */
export function buildAccuracyReport(ranked: readonly RankedPair[], tooLong: number): AccuracyReport {
  return {
    version: 1, tooLong,
    intervals: clusteredWords,
    overall: summaryOf(ranked),
    sets: [...new Set(ranked.map(({ set }) => set))].map((name) => {
      const own = ranked.filter(({ set }) => set === name);
      return {
        name, ...summaryOf(own), differences: own.map(({ difference }) => difference),
        groups: byTag(own, summaryOf),
      };
    }),
  };
}

/** A report's figures under their stable names: of all pairs, and of each data entry. */
export function accuracyFigures({ overall, sets }: AccuracyReport): Record<string, number> {
  const figures = (name: string, { accuracy: { value, low, high } }: Ranked) => ({ [name]: value, [`${name}_low`]: low, [`${name}_high`]: high });
  return sets.reduce((all, set) => ({ ...all, ...figures(`pairs/${set.name}/accuracy`, set) }), figures("rm/accuracy", overall));
}

function summaryOf(pairs: readonly RankedPair[]): Ranked {
  const prompts = byPrompt(pairs);
  const share = (some: (pair: RankedPair) => boolean, isRight: (pair: RankedPair) => boolean) => clusteredShare(prompts.map((own) => {
    const counted = own.filter(some);
    return { count: counted.filter(isRight).length, total: counted.length };
  }));
  const longer = share(({ lengths: [chosen, rejected] }) => chosen !== rejected, ({ lengths: [chosen, rejected] }) => chosen > rejected);
  return { pairs: pairs.length, prompts: prompts.length, accuracy: share(() => true, ({ difference }) => difference > 0)!, ...(longer && { longer }) };
}

/** The pairs of each prompt. */
function byPrompt(pairs: readonly RankedPair[]): RankedPair[][] {
  const found = new Map<string, RankedPair[]>();
  for (const pair of pairs) {
    const key = promptKey(pair.prompt);
    const own = found.get(key);
    if (own === undefined) found.set(key, [pair]);
    else own.push(pair);
  }
  return [...found.values()];
}
