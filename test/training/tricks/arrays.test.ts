import { describe, expect, it } from "vitest";
import type { Experience } from "../../../training/experience.js";
import { Objective } from "../../../training/objective.js";
import { adaptedCoefficient } from "../../../training/tricks/kl-penalty.js";
import type { ResolvedTricks } from "../../../schemas/tricks.js";

const experience: Experience = {
  sequences: [Int32Array.of(5, 6, 7, 8), Int32Array.of(5, 9, 1), Int32Array.of(4, 3)],
  targets: [Int32Array.of(2, 3), Int32Array.of(1, 2), Int32Array.of(1)],
  offsets: Int32Array.of(0, 2, 4, 5),
  policyLogProbabilities: Float32Array.of(-1, -2, -0.5, -0.25, -3),
  referenceLogProbabilities: Float32Array.of(-1.5, -1, -0.5, -1.25, -2.5),
  values: Float32Array.of(0.5, 0.25, -0.5, 1, 0.125),
  scores: Float64Array.of(2, -1, 0.5),
  finished: [true, true, false],
};
const prepare = (tricks: ResolvedTricks, given = experience) => new Objective(tricks, 0.8).prepare(given);
const plain = prepare({});

describe("without tricks", () => {
  it("the last token carries the score and no other token has a reward", () => {
    expect([...plain.rewards]).toEqual([0, 2, 0, -1, 0.5]);
  });

  it("the advantage is the whole return minus the value, and the ratio is against the policy that sampled", () => {
    expect([...plain.advantages]).toEqual([1.5, 1.75, -0.5, -2, 0.375]);
    expect(plain.oldLogProbabilities).toBe(experience.policyLogProbabilities);
  });

  it("keeps no state", () => {
    expect(new Objective({}, 0.8).state()).toEqual({});
  });
});

describe("klPenalty", () => {
  it("takes η (log π − log π_ref) off each token's reward", () => {
    const { rewards } = prepare({ klPenalty: { coefficient: 0.1 } });
    const expected = [0 - 0.1 * 0.5, 2 + 0.1, 0, -1 - 0.1, 0.5 + 0.1 * 0.5];
    rewards.forEach((reward, token) => { expect(reward).toBeCloseTo(expected[token]!, 12); });
  });

  it("at η = 0 changes nothing", () => {
    expect(prepare({ klPenalty: { coefficient: 0 } }).rewards).toEqual(plain.rewards);
  });
});

describe("adaptiveKl", () => {
  const adaptiveKl = { target: 6, horizon: 1000 };

  it.each([[6, 0.05], [12, 0.05 * (1 + 0.2 * 0.064)], [3, 0.05 * (1 - 0.2 * 0.064)], [6.6, 0.05 * (1 + 0.1 * 0.064)]])(
    "at KL %f gives %f after 64 answers", (kl, expected) => {
      expect(adaptedCoefficient(0.05, kl, 64, adaptiveKl)).toBeCloseTo(expected, 12);
    });

  it("keeps its coefficient in the state, and restores it", () => {
    const first = new Objective({ klPenalty: { coefficient: 0.05 }, adaptiveKl }, 0.8);
    first.afterIteration(60, 64);
    const second = new Objective({ klPenalty: { coefficient: 0.05 }, adaptiveKl }, 0.8);
    second.restore(first.state());
    expect(second.prepare(experience).rewards).toEqual(first.prepare(experience).rewards);
    expect(second.prepare(experience).rewards).not.toEqual(prepare({ klPenalty: { coefficient: 0.05 } }).rewards);
  });
});

describe("rewardNormalization", () => {
  it("is (r − mean)/std over the run so far, held to ±δ", () => {
    const mean = 0.5;
    const std = Math.sqrt((1.5 ** 2 + 1.5 ** 2 + 0) / 2);
    expect([...prepare({ rewardNormalization: { clip: 100 } }).shapedScores])
      .toEqual([(2 - mean) / std, (-1 - mean) / std, 0]);
    expect([...prepare({ rewardNormalization: { clip: 0.8 } }).shapedScores]).toEqual([0.8, -0.8, 0]);
  });

  it("remembers earlier batches, across a checkpoint too", () => {
    const whole = new Objective({ rewardNormalization: { clip: 100 } }, 0.8);
    whole.prepare(experience);
    const resumed = new Objective({ rewardNormalization: { clip: 100 } }, 0.8);
    resumed.restore(JSON.parse(JSON.stringify(whole.state())));
    const next = { ...experience, scores: Float64Array.of(3, 4, 5) };
    const expected = whole.prepare(next).shapedScores;
    expect(resumed.prepare(next).shapedScores).toEqual(expected);
    expect(expected).not.toEqual(prepare({ rewardNormalization: { clip: 100 } }, next).shapedScores);
    const all = [2, -1, 0.5, 3, 4, 5];
    const mean = all.reduce((sum, score) => sum + score, 0) / 6;
    const std = Math.sqrt(all.reduce((sum, score) => sum + (score - mean) ** 2, 0) / 5);
    expected.forEach((score, row) => { expect(score).toBeCloseTo((next.scores[row]! - mean) / std, 12); });
  });
});

describe("rewardScaling", () => {
  it("divides by the running std and doesn't move the mean", () => {
    const std = 1.5;
    const { shapedScores } = prepare({ rewardScaling: {} });
    [2 / std, -1 / std, 0.5 / std].forEach((score, row) => { expect(shapedScores[row]).toBeCloseTo(score, 12); });
    expect([...prepare({ rewardScaling: { clip: 1 } }).shapedScores][0]).toBe(1);
  });
});

describe("advantageNormalization", () => {
  it("gives mean 0 and variance 1 over all tokens, and leaves returns alone", () => {
    const { advantages, returns } = prepare({ advantageNormalization: {} });
    const mean = advantages.reduce((sum, value) => sum + value, 0) / 5;
    expect(mean).toBeCloseTo(0, 12);
    expect(advantages.reduce((sum, value) => sum + value * value, 0) / 5).toBeCloseTo(1, 6);
    expect(returns).toEqual(plain.returns);
  });

  it("clips to ±δ afterwards", () => {
    const { advantages } = prepare({ advantageNormalization: { clip: 0.5 } });
    const free = prepare({ advantageNormalization: {} }).advantages;
    expect([...advantages]).toEqual([...free].map((value) => Math.min(0.5, Math.max(-0.5, value))));
  });
});

describe("referenceSampling", () => {
  it("puts the reference under the ratio", () => {
    expect(prepare({ referenceSampling: {} }).oldLogProbabilities).toBe(experience.referenceLogProbabilities);
  });
});

describe("gae", () => {
  it("replaces the plain return", () => {
    const { advantages } = prepare({ gae: { lambda: 0, gamma: 1 } });
    expect([...advantages]).toEqual([0 + 0.25 - 0.5, 2 - 0.25, 0 + 1 + 0.5, -1 - 1, 0.5 - 0.125]);
  });
});
