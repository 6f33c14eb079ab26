import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend, StepPart, StepResult } from "../../../backends/backend.js";
import { entropy, logProbabilities, multiply, perToken, values } from "../../../backends/expressions.js";
import { createReferenceBackend } from "../../../backends/reference/index.js";
import { randomAt } from "../../../foundation/random.js";
import { initializeModel } from "../../../models/initialize.js";
import type { ModelConfiguration } from "../../../models/configuration.js";
import { tricksThatAreOn, type ResolvedTricks } from "../../../schemas/tricks.js";
import { Objective, type PreparedExperience } from "../../../training/objective.js";
import type { DrawPretrainingRows } from "../../../training/tricks/pretraining-loss.js";

const configuration: ModelConfiguration = {
  family: "llama", vocabulary: 13, hidden: 8, layers: 1, heads: 2, keyValueHeads: 1, headSize: 4, intermediate: 12, context: 16,
  ropeTheta: 10000, normEpsilon: 1e-5, tiedEmbeddings: true, attentionBias: false, outputBias: false, mlpBias: false,
  endTokens: [1], padToken: 0,
};
const temperature = 0.8;
const random = randomAt(11, "losses");
const sequences = [Int32Array.of(3, 4, 5, 6, 7), Int32Array.of(8, 9, 10), Int32Array.of(2, 12, 11, 1)];
const targets = [Int32Array.of(2, 3, 4), Int32Array.of(1, 2), Int32Array.of(2, 3)];
const offsets = Int32Array.of(0, 3, 5, 7);
const tokens = 7;
const rows = Int32Array.of(0, 1, 2);
const advantages = Float64Array.from({ length: tokens }, () => random.normal());
const returns = Float64Array.from({ length: tokens }, () => random.normal());

let directory: string;
let backend: Backend;
let now: Float32Array;
let nowValues: Float32Array;
let prepared: PreparedExperience;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "losses-"));
  await initializeModel(directory, configuration, 5);
  backend = createReferenceBackend();
  await backend.load({ model: "policy", directory, head: "language", trainable: true });
  await backend.load({ model: "critic", directory, head: "value", newHead: { init: "normal", seed: 9 }, trainable: true });
  const batch = { sequences, targets };
  now = (await backend.forward("policy", { batch, quantities: ["logProbabilities"], temperature })).logProbabilities!;
  nowValues = (await backend.forward("critic", { batch, quantities: ["values"] })).values!;
  // Ratios from e^-0.5 to e^0.5 and value changes of ±0.5, so that both sides of every clip occur.
  const old = now.map((value, token) => value - [0.5, -0.5, 0.1, -0.1, 0.4, -0.4, 0.05][token]!);
  const oldValues = nowValues.map((value, token) => value - [0.5, -0.5, 0.1, -0.1, 0.4, -0.4, 0.05][token]!);
  prepared = {
    sequences, targets, offsets, policyLogProbabilities: old, oldLogProbabilities: old, referenceLogProbabilities: now,
    values: oldValues, advantages, returns, rewards: new Float64Array(tokens),
    scores: new Float64Array(3), shapedScores: new Float64Array(3), finished: [true, true, true],
  };
});
afterAll(async () => {
  await backend.close();
  await rm(directory, { recursive: true });
});

const policyStep = (tricks: ResolvedTricks, draw?: DrawPretrainingRows) =>
  backend.step("policy", { parts: new Objective(tricks, temperature, draw).policyParts(prepared, rows, 0), normsByParameter: true });
const criticStep = (tricks: ResolvedTricks) =>
  backend.step("critic", { parts: [new Objective(tricks, temperature).valuePart(prepared, rows)], normsByParameter: true });

/** A loss whose gradient is Σ weights_t ∂quantity_t: what a formula says its gradient is, without the formula. */
const linear = (quantity: StepPart["loss"][number], weights: readonly number[]): StepPart => ({
  batch: { sequences, targets }, temperature, statistics: {},
  arrays: { weights: Float32Array.from(weights) }, loss: [multiply(perToken("weights"), quantity)],
});

function expectSameGradient(actual: StepResult, expected: StepResult): void {
  expect(actual.gradientNorm).toBeGreaterThan(1e-4);
  for (const [name, norm] of Object.entries(expected.normsByParameter!)) {
    expect(actual.normsByParameter![name], name).toBeCloseTo(norm, 5);
  }
}
const ratios = () => Array.from(now, (value, token) => Math.exp(value - prepared.oldLogProbabilities[token]!));
const mean = (terms: readonly number[]) => terms.reduce((sum, term) => sum + term, 0) / terms.length;

describe("the policy's loss", () => {
  it("without tricks is the mean of −Aρ", async () => {
    const step = await policyStep({});
    const terms = ratios().map((ratio, token) => -advantages[token]! * ratio);
    expect(step.losses[0]).toBeCloseTo(mean(terms), 6);
    expectSameGradient(step, await backend.step("policy", {
      parts: [linear(logProbabilities, terms.map((term) => term / tokens))], normsByParameter: true,
    }));
  });

  it("clippedSurrogate: the larger of −Aρ and −A·clip(ρ), no gradient where the clip holds", async () => {
    const step = await policyStep({ clippedSurrogate: { range: 0.2 } });
    const free = ratios().map((ratio, token) => -advantages[token]! * ratio);
    const clipped = ratios().map((ratio, token) => -advantages[token]! * Math.min(1.2, Math.max(0.8, ratio)));
    const held = free.map((term, token) => clipped[token]! > term);
    expect(held).toContain(true);
    expect(held).toContain(false);
    expect(step.losses[0]).toBeCloseTo(mean(free.map((term, token) => Math.max(term, clipped[token]!))), 6);
    expectSameGradient(step, await backend.step("policy", {
      parts: [linear(logProbabilities, free.map((term, token) => (held[token] ? 0 : term / tokens)))], normsByParameter: true,
    }));
  });

  it("entropyBonus: takes off coefficient · mean entropy, up to the clip", async () => {
    const { entropy: entropies } = await backend.forward("policy", { batch: { sequences, targets }, quantities: ["entropy"], temperature });
    const plain = await policyStep({});
    const terms = ratios().map((ratio, token) => -advantages[token]! * ratio / tokens);
    const withBonus = await policyStep({ entropyBonus: { coefficient: 0.5, clip: 30 } });
    expect(withBonus.losses[0]! - plain.losses[0]!).toBeCloseTo(-0.5 * mean(Array.from(entropies!)), 6);
    const linearLoss = linear(logProbabilities, terms);
    expectSameGradient(withBonus, await backend.step("policy", {
      parts: [{
        ...linearLoss, arrays: { ...linearLoss.arrays, bonus: new Float32Array(tokens).fill(-0.5 / tokens) },
        loss: [...linearLoss.loss, multiply(perToken("bonus"), entropy)],
      }],
      normsByParameter: true,
    }));
    const beyond = await policyStep({ entropyBonus: { coefficient: 0.5, clip: 0.001 } });
    expect(beyond.losses[0]! - plain.losses[0]!).toBeCloseTo(-0.5 * 0.001, 6);
    expectSameGradient(beyond, plain);
  });

  it("pretrainingLoss: adds λ · cross-entropy on text, at temperature 1", async () => {
    const text = [Int32Array.of(3, 5, 7, 9), Int32Array.of(2, 4)];
    const textTargets = [Int32Array.of(1, 2, 3), Int32Array.of(1)];
    const { logProbabilities: likelihoods } = await backend.forward("policy", {
      batch: { sequences: text, targets: textTargets }, quantities: ["logProbabilities"],
    });
    const crossEntropy = -mean(Array.from(likelihoods!));
    const step = await policyStep({ pretrainingLoss: { coefficient: 0.1, rows: 2, length: 4 } }, () => text);
    const plain = await policyStep({});
    expect(step.losses[0]).toBe(plain.losses[0]);
    expect(step.losses[1]).toBeCloseTo(0.1 * crossEntropy, 6);
    expect(step.statistics[1]!["loss/pretraining"]).toBeCloseTo(crossEntropy, 6);
    const terms = ratios().map((ratio, token) => -advantages[token]! * ratio / tokens);
    expectSameGradient(step, await backend.step("policy", {
      parts: [linear(logProbabilities, terms), {
        batch: { sequences: text, targets: textTargets }, statistics: {},
        arrays: { weights: new Float32Array(4).fill(-0.1 / 4) }, loss: [multiply(perToken("weights"), logProbabilities)],
      }],
      normsByParameter: true,
    }));
  });

  it("statistics say what the update did", async () => {
    const step = await policyStep({ clippedSurrogate: { range: 0.2 } });
    const statistics = step.statistics[0]!;
    expect(statistics["val/ratio"]).toBeCloseTo(mean(ratios()), 6);
    expect(statistics["policy/approxkl"]).toBeCloseTo(mean(Array.from(now, (value, token) => 0.5 * (value - prepared.oldLogProbabilities[token]!) ** 2)), 6);
    expect(statistics["policy/clipfrac"]).toBeCloseTo(mean(ratios().map((ratio) => (Math.abs(ratio - 1) > 0.2 ? 1 : 0))), 6);
  });

  it("has a ratio of 1 on the first minibatch, where the old policy is the policy", async () => {
    const fresh = { ...prepared, oldLogProbabilities: now };
    const { statistics } = await backend.step("policy", { parts: new Objective({}, temperature).policyParts(fresh, rows, 0) });
    expect(Math.abs(statistics[0]!["val/ratio"]! - 1)).toBeLessThan(1e-5);
    expect(statistics[0]!["policy/approxkl"]).toBeLessThan(1e-10);
  });
});

describe("the critic's loss", () => {
  const errors = () => Array.from(nowValues, (value, token) => value - returns[token]!);

  it("without tricks is the mean of ½ (V − R)²", async () => {
    const step = await criticStep({});
    expect(step.losses[0]).toBeCloseTo(mean(errors().map((error) => 0.5 * error ** 2)), 6);
    expectSameGradient(step, await backend.step("critic", {
      parts: [linear(values, errors().map((error) => error / tokens))], normsByParameter: true,
    }));
  });

  it("valueClipping: the larger of the two squared errors, no gradient where the clipped one is", async () => {
    const step = await criticStep({ valueClipping: { range: 0.2 } });
    const near = Array.from(nowValues, (value, token) => {
      const old = prepared.values[token]!;
      return old + Math.min(0.2, Math.max(-0.2, value - old)) - returns[token]!;
    });
    const held = errors().map((error, token) => near[token]! ** 2 > error ** 2);
    expect(held).toContain(true);
    expect(held).toContain(false);
    expect(step.losses[0]).toBeCloseTo(mean(errors().map((error, token) => 0.5 * Math.max(error ** 2, near[token]! ** 2))), 6);
    const inside = Array.from(nowValues, (value, token) => Math.abs(value - prepared.values[token]!) <= 0.2);
    expectSameGradient(step, await backend.step("critic", {
      parts: [linear(values, errors().map((error, token) => (held[token] && !inside[token] ? 0 : error / tokens)))], normsByParameter: true,
    }));
  });
});

describe("gradientClipping", () => {
  const settings = { learningRate: 1, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0 };

  it("sets the norm that the optimizer scales down to, and nothing else", () => {
    expect(new Objective({ gradientClipping: { norm: 0.5 } }, 1).optimizer(settings)).toEqual({ ...settings, maxGradientNorm: 0.5 });
    expect(new Objective({}, 1).optimizer(settings)).toBe(settings);
  });
});

describe("a trick that is off", () => {
  const everything: ResolvedTricks = {
    klPenalty: { coefficient: 0.05 }, rewardNormalization: { clip: 0.8 }, valueClipping: { range: 0.2 }, gae: { lambda: 0.9, gamma: 1 },
    clippedSurrogate: { range: 0.2 }, entropyBonus: { coefficient: 0.01, clip: 30 }, advantageNormalization: {},
    rewardScaling: {}, referenceSampling: {}, gradientClipping: { norm: 1 }, adaptiveKl: { target: 6, horizon: 100 },
  };

  it.each(Object.keys(everything))("%s: leaves every array and both losses bit for bit as they are without it", (name) => {
    const without = Object.fromEntries(Object.entries(everything).filter(([other]) => other !== name));
    const outcome = (tricks: ResolvedTricks) => {
      const objective = new Objective(tricks, temperature);
      const fresh = objective.prepare(prepared);
      return { fresh, policy: objective.policyParts(fresh, rows, 0), value: objective.valuePart(fresh, rows), state: objective.state() };
    };
    expect(outcome(tricksThatAreOn({ ...everything, [name]: false }))).toEqual(outcome(without));
    if (name !== "adaptiveKl" && name !== "gradientClipping") expect(outcome(everything)).not.toEqual(outcome(without));
  });
});
