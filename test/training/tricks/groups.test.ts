import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../../../backends/backend.js";
import { createReferenceBackend } from "../../../backends/reference/index.js";
import { initializeModel } from "../../../models/initialize.js";
import type { ResolvedTricks } from "../../../schemas/tricks.js";
import { Objective, type PreparedExperience } from "../../../training/objective.js";

const temperature = 0.8;
const sequences = [Int32Array.of(3, 4, 5, 6, 7), Int32Array.of(8, 9, 10), Int32Array.of(2, 12, 11, 1), Int32Array.of(2, 12, 5)];
const targets = [Int32Array.of(2, 3, 4), Int32Array.of(1, 2), Int32Array.of(2, 3), Int32Array.of(2)];
const lengths = [3, 2, 2, 1];
const offsets = Int32Array.of(0, 3, 5, 7, 8);
const drift = [0.2, 0.5, 0.1, -0.1, 0.4, -0.4, 0.35, 0.05];

let directory: string;
let backend: Backend;
let now: Float32Array;
let experience: Omit<PreparedExperience, "advantages" | "returns" | "rewards" | "shapedScores" | "oldLogProbabilities">;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "trueline-groups-"));
  await initializeModel(directory, {
    family: "llama", vocabulary: 13, hidden: 8, layers: 1, heads: 2, keyValueHeads: 1, headSize: 4, intermediate: 12, context: 16,
    ropeTheta: 10000, normEpsilon: 1e-5, tiedEmbeddings: true, attentionBias: false, outputBias: false, mlpBias: false, endTokens: [1], padToken: 0,
  }, 5);
  backend = createReferenceBackend();
  await backend.load({ model: "policy", directory, head: "language", trainable: true });
  now = (await backend.forward("policy", { batch: { sequences, targets }, quantities: ["logProbabilities"], temperature })).logProbabilities!;
  experience = {
    sequences, targets, offsets, policyLogProbabilities: now.map((value, token) => value - drift[token]!),
    referenceLogProbabilities: now.map((value, token) => value + drift[7 - token]!), values: new Float32Array(8),
    scores: Float64Array.of(2, -1, 0.5, 0.5), finished: [true, true, true, true],
  };
});
afterAll(async () => {
  await backend.close();
  await rm(directory, { recursive: true });
});

const prepare = (tricks: ResolvedTricks) => new Objective(tricks, temperature).prepare(experience);
/** One number an answer, the same for all its tokens. */
const byAnswer = (advantages: Float64Array): number[] => lengths.map((length, row) => {
  const own = advantages.subarray(offsets[row], offsets[row + 1]);
  expect(new Set(own).size).toBe(1);
  expect(own).toHaveLength(length);
  return own[0]!;
});
const expectClose = (found: readonly number[], wanted: readonly number[]): void => {
  expect(found).toHaveLength(wanted.length);
  found.forEach((value, index) => { expect(value).toBeCloseTo(wanted[index]!, 6); });
};

describe("groupBaseline", () => {
  it("leave-one-out: an answer's score above the mean of the prompt's others", () => {
    expectClose(byAnswer(prepare({ groupBaseline: { samples: 2, baseline: "leave-one-out", scale: false } }).advantages), [3, -3, 0, 0]);
    const four = byAnswer(prepare({ groupBaseline: { samples: 4, baseline: "leave-one-out", scale: false } }).advantages);
    expectClose(four, [2 - 0 / 3, -1 - 3 / 3, 0.5 - 1.5 / 3, 0.5 - 1.5 / 3]);
  });

  it("mean: an answer's score above the mean of all", () => {
    expectClose(byAnswer(prepare({ groupBaseline: { samples: 4, baseline: "mean", scale: false } }).advantages), [1.5, -1.5, 0, 0]);
  });

  it("scale: in standard deviations with the divisor n − 1, and 0, not NaN, where all are alike", () => {
    const deviation = Math.sqrt((2.25 + 2.25) / 3) + 1e-4;
    expectClose(byAnswer(prepare({ groupBaseline: { samples: 4, baseline: "mean", scale: true } }).advantages), [1.5 / deviation, -1.5 / deviation, 0, 0]);
    expectClose(byAnswer(prepare({ groupBaseline: { samples: 2, baseline: "mean", scale: true } }).advantages).slice(2), [0, 0]);
  });

  it("measures the whole return, a KL penalty on every token included", () => {
    const returns = [2, -1, 0.5, 0.5].map((score, row) => {
      const kl = [...now].reduce((sum, _, token) => sum + (token >= offsets[row]! && token < offsets[row + 1]! ? -drift[token]! - drift[7 - token]! : 0), 0);
      return score - 0.1 * kl;
    });
    const found = prepare({ klPenalty: { coefficient: 0.1 }, groupBaseline: { samples: 2, baseline: "leave-one-out", scale: false } });
    expectClose(byAnswer(found.returns), returns);
    expectClose(byAnswer(found.advantages), [returns[0]! - returns[1]!, returns[1]! - returns[0]!, returns[2]! - returns[3]!, returns[3]! - returns[2]!]);
  });

  it("tells how far the answers to a prompt are apart, and how many prompts teach nothing", () => {
    const objective = new Objective({ groupBaseline: { samples: 2, baseline: "mean", scale: true } }, temperature);
    objective.prepare(experience);
    expect(objective.metrics()["samples/return_std"]).toBeCloseTo(Math.sqrt(4.5) / 2, 6);
    expect(objective.metrics()["samples/alike"]).toBe(0.5);
  });
});

const baseline = { groupBaseline: { samples: 2, baseline: "mean", scale: false } } as const;
/** The loss and statistics of a minibatch of the answers 2, 0 and 1, in that order. */
const rows = Int32Array.of(2, 0, 1);
const update = async (tricks: ResolvedTricks) => {
  const { losses, statistics, gradientNorm } = await backend.step("policy", { parts: new Objective(tricks, temperature).policyParts(prepare(tricks), rows, 0) });
  expect(gradientNorm).toBeGreaterThan(1e-4);
  return { loss: losses[0]!, statistics: statistics[0]! };
};
const tokensOf = (row: number): number[] => Array.from({ length: lengths[row]! }, (_, index) => offsets[row]! + index);
const chosen = [2, 0, 1].map((row) => ({ advantage: [1.5, -1.5, 0, 0][row]!, tokens: tokensOf(row) }));
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
const ratio = (token: number): number => Math.exp(drift[token]!);

describe("the policy's loss", () => {
  it("sequenceRatio: the mean over answers of −A times the product of their tokens' ratios, clipped as one", async () => {
    const ratios = chosen.map(({ tokens }) => Math.exp(sum(tokens.map((token) => drift[token]!))));
    const free = await update({ ...baseline, sequenceRatio: {} });
    expect(free.loss).toBeCloseTo(mean(chosen.map(({ advantage }, index) => -advantage * ratios[index]!)), 6);
    expect(free.statistics["val/ratio"]).toBeCloseTo(mean(ratios), 6);
    const clipped = await update({ ...baseline, sequenceRatio: {}, clippedSurrogate: { range: 0.1 } });
    const held = ratios.map((each) => Math.min(1.1, Math.max(0.9, each)));
    expect(clipped.loss).toBeCloseTo(mean(chosen.map(({ advantage }, index) => Math.max(-advantage * ratios[index]!, -advantage * held[index]!))), 6);
    expect(clipped.statistics["policy/clipfrac"]).toBeCloseTo(mean(ratios.map((each) => (Math.abs(each - 1) > 0.1 ? 1 : 0))), 6);
    expect(clipped.loss).not.toBeCloseTo(free.loss, 3);
  });

  it("klLoss: adds β (e^d − d − 1) to each token, d the reference's lead over the policy", async () => {
    const k3 = (token: number): number => Math.exp(drift[7 - token]!) - drift[7 - token]! - 1;
    const [plain, held] = [await update(baseline), await update({ ...baseline, klLoss: { coefficient: 0.3 } })];
    const estimate = mean(chosen.flatMap(({ tokens }) => tokens.map(k3)));
    expect(held.statistics["loss/kl"]).toBeCloseTo(estimate, 6);
    expect(held.loss - plain.loss).toBeCloseTo(0.3 * estimate, 6);
  });

  it.each([
    ["answer-mean", (terms: readonly number[]) => mean(terms)],
    ["answer-sum", (terms: readonly number[]) => sum(terms)],
  ] as const)("lossAggregation %s: the mean over answers of that over their tokens, in every term", async (mode, over) => {
    const k3 = (token: number): number => Math.exp(drift[7 - token]!) - drift[7 - token]! - 1;
    const found = await update({ ...baseline, klLoss: { coefficient: 0.3 }, lossAggregation: { mode } });
    expect(found.loss).toBeCloseTo(mean(chosen.map(({ advantage, tokens }) => over(tokens.map((token) => -advantage * ratio(token) + 0.3 * k3(token))))), 6);
    expect(found.statistics["loss/kl"]).toBeCloseTo(mean(chosen.flatMap(({ tokens }) => tokens.map(k3))), 6);
  });

  it("weighs the terms of tokens by answers also beside the ratio of whole answers", async () => {
    const k3 = (token: number): number => Math.exp(drift[7 - token]!) - drift[7 - token]! - 1;
    const tricks = { ...baseline, sequenceRatio: {}, lossAggregation: { mode: "answer-sum" } } as const;
    const [plain, held] = [await update(tricks), await update({ ...tricks, klLoss: { coefficient: 0.3 } })];
    expect(held.loss - plain.loss).toBeCloseTo(0.3 * mean(chosen.map(({ tokens }) => sum(tokens.map(k3)))), 6);
  });
});
