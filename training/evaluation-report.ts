import type { PromptRow } from "../data/types.js";
import { canonicalJson } from "../foundation/canonical.js";
import { randomAt } from "../foundation/random.js";
import type { AnsweredPrompt, Replies, Report } from "../schemas/report.js";
import type { SamplingSettings } from "./answering.js";
import { describeIntervals, outcomesOf, summarize, summarizeByTag, type Judging } from "./evaluation.js";
import { wilson } from "./intervals.js";
import { compareJudges } from "./judge-tables.js";

/**
 * At most `count` prompts, the same for the same seed. Each combination of tags keeps its share: prompts are shuffled,
 * sorted by their tags, taken at even distances, and mixed again.
 */
export function spreadSample<Prompt extends Pick<PromptRow, "tags">>(prompts: readonly Prompt[], count: number, seed: number): Prompt[] {
  const shuffled = randomAt(seed, "prompts").shuffled(prompts);
  if (shuffled.length <= count) return shuffled;
  const keyed = shuffled.map((prompt) => ({ prompt, key: canonicalJson(prompt.tags) }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)));
  const taken = Array.from({ length: count }, (_, index) => keyed[Math.floor(((index + 0.5) * keyed.length) / count)]!.prompt);
  return randomAt(seed, "prompts in order").shuffled(taken);
}

/** The whole report of an evaluation from its answers and the reward model's score differences. Pure. */
export function buildReport(
  answered: readonly AnsweredPrompt[], differences: readonly number[], judging: Judging,
  settings: SamplingSettings & {
    readonly baselineSamples: number; readonly samples: number; readonly baselineIs: Report["baselineIs"];
    /** Whose verdicts the answers hold, where several judge. */
    readonly judgeNames?: readonly string[];
    readonly rewardReplies?: Replies;
  },
): Report {
  const { temperature, topP, topK, repetitionPenalty, maxNewTokens, baselineSamples } = settings;
  return {
    version: 1,
    judge: judging.judge,
    tieMargin: judging.tieMargin,
    baselineIs: settings.baselineIs,
    sampling: { temperature, topP, topK, repetitionPenalty, maxNewTokens, baselineSamples, seed: judging.seed },
    intervals: describeIntervals(Math.max(...answered.map(({ baseline }) => baseline.length))),
    overall: summarize(answered, judging),
    groups: summarizeByTag(answered, judging),
    ...(settings.judgeNames && {
      judges: compareJudges(answered, settings.judgeNames.map((judge) => ({
        judge, verdicts: answered.map(({ verdicts }) => verdicts![judge]!), orders: answered.flatMap(({ asked }) => (asked?.[judge] === undefined ? [] : [asked[judge]])),
      })), judging.seed),
    }),
    ...(settings.rewardReplies && { rewardReplies: settings.rewardReplies }),
    ...(differences.length > 0 && {
      rewardModel: {
        pairs: differences.length,
        accuracy: wilson(differences.filter((difference) => difference > 0).length, differences.length),
        differences: [...differences],
      },
    }),
    samples: spreadSample(answered, settings.samples, judging.seed).map((prompt) => ({
      ...prompt, baseline: prompt.baseline.slice(0, 1), ...(prompt.verdicts && { verdicts: firstOnly(prompt.verdicts) }), outcome: outcomesOf(prompt, judging)[0]!,
    })),
  };
}

function firstOnly(verdicts: NonNullable<AnsweredPrompt["verdicts"]>): AnsweredPrompt["verdicts"] {
  return Object.fromEntries(Object.entries(verdicts).map(([judge, outcomes]) => [judge, outcomes.slice(0, 1)]));
}
