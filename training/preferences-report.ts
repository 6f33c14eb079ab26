import { randomAt } from "../foundation/random.js";
import type { LabelledPair, PreferencesPart, PreferencesReport, SampledPrompt } from "../schemas/preferences-report.js";
import type { Answer } from "../schemas/report.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { byTag } from "./evaluation.js";
import { spreadSample } from "./evaluation-report.js";
import { mean, variance } from "./experience.js";
import { clusteredShare, clusteredWords } from "./intervals.js";
import { pairAnswers } from "./preference-pairs.js";

type Parameters = Omit<StageParameters<"preferences">, "judge"> & { readonly judge: PreferencesReport["judge"] };

/** An answer with the score that labels. */
interface Scored extends Answer {
  readonly score: number;
}

/** A prompt with its answers, and the pairs that they make. */
interface PairedPrompt extends Pick<SampledPrompt, "side" | "prompt" | "tags"> {
  readonly answers: readonly Scored[];
  readonly close: number;
  readonly alike: number;
  readonly pairs: readonly { readonly chosen: Scored; readonly rejected: Scored; readonly flipped: boolean }[];
}

const shownPairs = 20;

/**
 * The pairs of each prompt's answers. Labels of training pairs are flipped with the probability `noise`, which follows from the seed and
 * the prompt's place. Pure.
 */
export function pairPrompts(sampled: readonly SampledPrompt[], { judge, margin, most, noise = 0 }: Parameters, seed: number): PairedPrompt[] {
  return sampled.map(({ side, prompt, tags, answers }, place) => {
    const scored = answers.map((answer): Scored => ({ ...answer, score: (judge === "gold" ? answer.gold : answer.proxy)! }));
    const { pairs, close, alike } = pairAnswers(scored, ({ score }) => score, { margin, most });
    const random = randomAt(seed, "noise", place);
    return {
      side, prompt, tags, answers: scored, close, alike,
      pairs: pairs.map(([better, worse]) => {
        const flipped = side === "train" && random.uniform() < noise;
        return flipped ? { chosen: worse, rejected: better, flipped } : { chosen: better, rejected: worse, flipped };
      }),
    };
  });
}

/** The pairs of prompts as rows of format `preference`. */
export function labelledPairs(prompts: readonly PairedPrompt[]): LabelledPair[] {
  return prompts.flatMap(({ prompt, tags, pairs }) => pairs.map(({ chosen, rejected }) => ({
    prompt, chosen: chosen.text, rejected: rejected.text, score_chosen: chosen.score, score_rejected: rejected.score, tags,
  })));
}

/** The whole report of a preferences stage. Pure. */
export function buildPreferencesReport(prompts: readonly PairedPrompt[], parameters: Parameters, seed: number): PreferencesReport {
  const { judge, margin, most, noise = 0, samples, temperature, topP, topK, repetitionPenalty, maxNewTokens } = parameters;
  const [train, heldOut] = (["train", "heldOut"] as const).map((side) => prompts.filter((each) => each.side === side));
  return {
    version: 1, judge, margin, most, noise,
    sampling: { samples, temperature, topP, topK, repetitionPenalty, maxNewTokens, seed },
    intervals: clusteredWords,
    train: partOf(train!, judge),
    ...(heldOut!.length > 0 && { heldOut: partOf(heldOut!, judge) }),
    groups: byTag(train!, (some) => partOf(some, judge)),
    examples: labelledPairs(spreadSample(train!.filter(({ pairs }) => pairs.length > 0), shownPairs, seed).map((prompt) => ({ ...prompt, pairs: prompt.pairs.slice(0, 1) }))),
  };
}

/** A report's headline figures under their stable names. */
export function preferenceFigures({ train, heldOut }: PreferencesReport): Record<string, number> {
  return {
    "preferences/pairs": train.pairs, ...(heldOut && { "preferences/held_out_pairs": heldOut.pairs }),
    "preferences/score": train.answers.score, "preferences/score_std": train.answers.scoreStd, "preferences/length": train.answers.length,
    ...(train.longer && { "preferences/longer_preferred": train.longer.value }),
    ...(train.agreement && { "preferences/gold_agreement": train.agreement.value }),
  };
}

function partOf(prompts: readonly PairedPrompt[], judge: PreferencesReport["judge"]): PreferencesPart {
  const answers = prompts.flatMap((prompt) => prompt.answers);
  const pairs = prompts.flatMap((prompt) => prompt.pairs);
  /** Of the pairs that have a sign, the share in which it is positive. */
  const share = (signOf: (pair: PairedPrompt["pairs"][number]) => number) => clusteredShare(prompts.map((prompt) => {
    const signs = prompt.pairs.map(signOf).filter((sign) => sign !== 0);
    return { count: signs.filter((sign) => sign > 0).length, total: signs.length };
  }));
  const longer = share(({ chosen, rejected }) => chosen.tokens - rejected.tokens);
  const agreement = judge === "gold" ? undefined : share(({ chosen, rejected }) => (chosen.gold ?? 0) - (rejected.gold ?? 0));
  return {
    prompts: prompts.length,
    answers: { ...meansOf(answers), count: answers.length, scoreStd: Math.sqrt(variance(answers.map(({ score }) => score))) },
    pairs: pairs.length, unpaired: prompts.filter((prompt) => prompt.pairs.length === 0).length,
    close: sum(prompts.map(({ close }) => close)), alike: sum(prompts.map(({ alike }) => alike)), flipped: pairs.filter(({ flipped }) => flipped).length,
    ...(pairs.length > 0 && { chosen: meansOf(pairs.map(({ chosen }) => chosen)), rejected: meansOf(pairs.map(({ rejected }) => rejected)) }),
    ...(longer && { longer }), ...(agreement && { agreement }),
  };
}

function meansOf(answers: readonly Scored[]): NonNullable<PreferencesPart["chosen"]> {
  return {
    score: mean(answers.map(({ score }) => score)), length: mean(answers.map(({ tokens }) => tokens)), unfinished: mean(answers.map(({ finished }) => (finished ? 0 : 1))),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
