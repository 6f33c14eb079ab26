import { describe, expect, it } from "vitest";
import { evaluationFigures } from "../../schemas/metrics.js";
import { reportSchema, type Answer, type AnsweredPrompt } from "../../schemas/report.js";
import { buildReport, spreadSample } from "../../training/evaluation-report.js";
import { figuresOf, outcomeOf, summarize, summarizeByTag, type Judging } from "../../training/evaluation.js";
import { wilson } from "../../training/intervals.js";
import { promptRow, user } from "./support.js";

const judging: Judging = { judge: "gold", tieMargin: 0.05, seed: 1 };
const answer = (gold: number, more: Partial<Answer> = {}): Answer => ({ text: "t", tokens: 4, finished: true, gold, proxy: -gold, ...more });
const prompt = (gold: number, baselines: readonly number[], tags: Record<string, string> = {}, more: Partial<Answer> = {}): AnsweredPrompt => ({
  prompt: [user("p")], tags, candidate: answer(gold, more), baseline: baselines.map((score) => answer(score)),
});

describe("an answer against another", () => {
  it("wins or loses by more than the tie margin, a difference of exactly the margin being a tie", () => {
    const against = (candidate: number, baseline: number) => outcomeOf(answer(candidate), answer(baseline), judging);
    expect(against(0.9, 0.8)).toBe("win");
    expect(against(0.7, 0.8)).toBe("lose");
    expect(against(0.85, 0.8)).toBe("tie");
    expect(against(0.8, 0.85)).toBe("tie");
  });

  it("is judged by the reward model where no gold score is named", () => {
    expect(outcomeOf(answer(0.9), answer(0.1), { ...judging, judge: "reward-model" })).toBe("lose");
  });
});

describe("win, tie and lose rates", () => {
  const answered = [prompt(0.9, [0.1, 0.9, 0.95]), prompt(0.5, [0.1, 0.2, 0.3]), prompt(0.2, [0.9, 0.9, 0.9]), prompt(0.6, [0.6, 0.1, 0.9])];

  it("count each prompt once, however many answers it is compared with", () => {
    const { win, tie, lose, net } = summarize(answered, judging);
    expect(win.value).toBeCloseTo((1 / 3 + 1 + 0 + 1 / 3) / 4, 12);
    expect(tie).toBeCloseTo((2 / 3 + 0 + 0 + 1 / 3) / 4, 12);
    expect(lose).toBeCloseTo((0 + 0 + 1 + 1 / 3) / 4, 12);
    expect(net.value).toBeCloseTo(win.value - lose, 12);
    expect(win.low).toBeLessThan(win.value);
    expect(win.high).toBeGreaterThan(win.value);
  });

  it("have Wilson's interval where each prompt has one comparison", () => {
    const single = [prompt(0.9, [0.1]), prompt(0.9, [0.1]), prompt(0.1, [0.9])];
    expect(summarize(single, judging).win).toEqual(wilson(2, 3));
  });

  it("are wider with few prompts of many answers than answers counted apart would make them", () => {
    const clustered = Array.from({ length: 20 }, (_, index) => prompt(index % 2, new Array<number>(10).fill(0.5)));
    const { low, high } = summarize(clustered, judging).win;
    const apart = wilson(100, 200);
    expect(high - low).toBeGreaterThan(2 * (apart.high - apart.low));
  });
});

describe("what betrays a collapse", () => {
  it("is measured on the candidate's own samples: KL summed over answers and a token, perplexity, length, missing ends", () => {
    const answered = [
      prompt(1, [0], {}, { tokens: 2, logProbability: -1, baselineLogProbability: -3 }),
      prompt(1, [0], {}, { tokens: 6, logProbability: -3, baselineLogProbability: -4, finished: false }),
    ];
    const { kl, klPerToken, candidate } = summarize(answered, judging);
    expect(kl).toBe(1.5);
    expect(klPerToken).toBe(3 / 8);
    expect(candidate).toMatchObject({ length: 4, unfinished: 0.5, gold: 1, proxy: -1 });
    expect(candidate.perplexity).toBeCloseTo(Math.exp(4 / 8), 12);
  });

  it("is left out where the baseline is no model", () => {
    const group = summarize([prompt(1, [0])], judging);
    expect(group.kl).toBeUndefined();
    expect(Object.keys(figuresOf(summarize([prompt(1, [0], {}, { logProbability: -1, baselineLogProbability: -2 })], judging))).filter((name) => !evaluationFigures.includes(name)), "all can be an objective").toEqual([]);
    expect(figuresOf(group)).not.toHaveProperty("eval/kl");
    expect(figuresOf(group)).not.toHaveProperty("eval/perplexity_baseline");
  });
});

describe("parts of the prompts", () => {
  it("are summarised by each value of each tag that makes a few groups", () => {
    const answered = ["en", "zh", "zh"].map((language, id) => prompt(id, [0.5], { language, same: "x" }));
    const groups = summarizeByTag(answered, judging);
    expect(groups.map(({ tag, value, prompts, win }) => [tag, value, prompts, win.value])).toEqual([["language", "en", 1, 0], ["language", "zh", 2, 1]]);
  });

  it("keep their share when only some prompts are taken", () => {
    const prompts = Array.from({ length: 300 }, (_, index) => promptRow(String(index), { language: index % 3 === 0 ? "en" : "zh" }));
    const sample = spreadSample(prompts, 30, 1);
    expect(sample.filter(({ tags }) => tags["language"] === "en")).toHaveLength(10);
    expect(new Set(sample).size).toBe(30);
    expect(spreadSample(prompts, 30, 1)).toEqual(sample);
    expect(spreadSample(prompts, 30, 2)).not.toEqual(sample);
    expect(spreadSample(prompts.slice(0, 5), 30, 1)).toHaveLength(5);
  });
});

it("a report carries what a reader needs to check it, and fits its schema", () => {
  const sampling = { temperature: 0.8, topP: 1, topK: 0, repetitionPenalty: 1, maxNewTokens: 8 };
  const report = buildReport([prompt(0.9, [0.1, 0.95]), prompt(0.1, [0.9, 0.9])], [2, -1, 0, 3], judging, { ...sampling, baselineSamples: 2, samples: 9, baselineIs: "model" });
  expect(reportSchema.parse(report)).toEqual(report);
  expect(report.rewardModel).toMatchObject({ pairs: 4, accuracy: wilson(2, 4), differences: [2, -1, 0, 3] });
  expect(report.intervals).toContain("bootstrap over prompts");
  expect(report.samples.map(({ outcome, baseline }) => [outcome, baseline.length]).sort()).toEqual([["lose", 1], ["win", 1]]);
});
