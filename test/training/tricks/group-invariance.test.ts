import { describe, expect, it } from "vitest";
import { randomAt } from "../../../foundation/random.js";
import { trickParameters } from "../../../schemas/tricks.js";
import type { Experience } from "../../../training/experience.js";
import { Objective } from "../../../training/objective.js";
import { deviationSlopes, GroupClassifier, groupStatistics, standardisedRows } from "../../../training/tricks/group-classifier.js";
import { varianceInfluence } from "../../../training/tricks/group-invariance.js";

const normals = (count: number, seed: number): Float64Array => {
  const random = randomAt(seed, "groups");
  return Float64Array.from({ length: count }, () => random.normal());
};
const settings = { learningRate: 0.1, steps: 10, weightDecay: 0.01 };

describe("the variance between two groups", () => {
  it("of a hard partition is that of the groups' means, each counted by its share", () => {
    const { share, variance, highReturn, lowReturn } = groupStatistics([1, 1, 0, 0, 0], [4, 6, 1, 2, 0]);
    expect(share).toBe(0.4);
    expect(highReturn).toBeCloseTo(5, 12);
    expect(lowReturn).toBeCloseTo(1, 12);
    expect(variance).toBeCloseTo(0.4 * (5 - 2.6) ** 2 + 0.6 * (1 - 2.6) ** 2, 12);
  });

  it("is 0 where all answers are alike to the classifier", () => {
    expect(groupStatistics([0.3, 0.3, 0.3], [4, 6, 1]).variance).toBeCloseTo(0, 12);
  });

  it("has for its gradient in a policy's parameters the mean of influence times ∇ log π: central differences on a softmax over six answers", () => {
    const count = 6;
    const [logits, returns] = [normals(count, 1), normals(count, 2)];
    const probabilities = normals(count, 3).map((value) => 1 / (1 + Math.exp(-value)));
    const policyOf = (given: Float64Array): Float64Array => {
      const powers = given.map(Math.exp);
      return powers.map((value) => value / powers.reduce((sum, one) => sum + one, 0));
    };
    const expectation = (policy: Float64Array, of: (answer: number) => number): number => policy.reduce((sum, chance, answer) => sum + chance * of(answer), 0);
    /** By its definition, with expectations under the policy in place of means over a batch. */
    const varianceOf = (policy: Float64Array): number => {
      const share = expectation(policy, (answer) => probabilities[answer]!);
      const high = expectation(policy, (answer) => probabilities[answer]! * returns[answer]!) / share;
      const low = expectation(policy, (answer) => (1 - probabilities[answer]!) * returns[answer]!) / (1 - share);
      return share * (1 - share) * (high - low) ** 2;
    };
    // a batch in which every answer is as frequent as the policy makes it, as nearly as 200 000 answers can
    const policy = policyOf(logits);
    const batch = Array.from(policy, (chance, answer) => Array<number>(Math.round(chance * 200_000)).fill(answer)).flat();
    const influence = varianceInfluence(Float64Array.from(batch, (answer) => probabilities[answer]!), Float64Array.from(batch, (answer) => returns[answer]!));
    const gradient = new Float64Array(count);
    batch.forEach((answer, row) => {
      for (let parameter = 0; parameter < count; parameter++) gradient[parameter]! += (influence[row]! * ((answer === parameter ? 1 : 0) - policy[parameter]!)) / batch.length;
    });
    for (let parameter = 0; parameter < count; parameter++) {
      const moved = (by: number) => varianceOf(policyOf(logits.map((value, at) => (at === parameter ? value + by : value))));
      expect(gradient[parameter]).toBeCloseTo((moved(1e-5) - moved(-1e-5)) / 2e-5, 4);
    }
  });

  it("has influences that cancel over the batch", () => {
    const influence = varianceInfluence(Float64Array.of(0.9, 0.2, 0.7, 0.6), Float64Array.of(1, -1, 3, 0.5));
    expect(influence.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 12);
    expect(Math.max(...influence)).toBeGreaterThan(0.1);
  });
});

describe("the group classifier", () => {
  const rows = 200;
  const [noise, width] = [normals(rows * 8, 5), 8];
  const features = Float32Array.from(noise, (value, at) => 10 + 2 * value + (at % width === 3 && Math.floor(at / width) % 2 === 0 ? 9 : 0));
  const returns = normals(rows, 6).map((value, row) => 0.3 * value + (row % 2 === 0 ? 1 : -1));

  it("centres the features and measures them in units of their root mean square", () => {
    const found = standardisedRows(Float32Array.of(1, 10, 3, 30), 2);
    const scale = Math.sqrt((1 + 100 + 1 + 100) / 4);
    expect(found.map((row) => [...row])).toEqual([[-1 / scale, -10 / scale], [1 / scale, 10 / scale]]);
    expect(standardisedRows(Float32Array.of(2, 2), 2).map((row) => [...row])).toEqual([[0], [0]]);
  });

  it("tells nothing apart before it is trained", () => {
    expect([...new GroupClassifier(settings).probabilities(standardisedRows(features, rows))]).toEqual(Array.from({ length: rows }, () => 0.5));
  });

  it("climbs the deviation between the groups: central differences by probability", () => {
    const [probabilities, standardised] = [normals(5, 7).map((value) => 1 / (1 + Math.exp(-value))), Float64Array.of(1, -1, 0.5, 0.5, -1)];
    const deviation = (given: Float64Array): number => {
      const { share, covariance } = groupStatistics(given, standardised);
      return covariance / Math.sqrt(share * (1 - share));
    };
    const slopes = deviationSlopes(probabilities, standardised);
    probabilities.forEach((_, row) => {
      const moved = (by: number) => deviation(probabilities.map((value, at) => (at === row ? value + by : value)));
      expect(slopes[row]).toBeCloseTo((moved(1e-6) - moved(-1e-6)) / 2e-6, 7);
    });
  });

  it("moves weights and bias along its gradient: central differences by each of them", () => {
    const few = standardisedRows(features.slice(0, 12 * width), 12);
    const skewed = Float64Array.from({ length: 12 }, (_, row) => (row % 4 === 0 ? 3 : -1) / Math.sqrt(3));
    const state = { weights: [...normals(width, 8)], bias: 0.4 };
    const from = ({ weights, bias }: typeof state): GroupClassifier => {
      const classifier = new GroupClassifier({ learningRate: 1e-3, steps: 1, weightDecay: 0 });
      classifier.restore({ weights, bias });
      return classifier;
    };
    const deviation = (given: typeof state): number => {
      const { share, covariance } = groupStatistics(from(given).probabilities(few), skewed);
      return covariance / Math.sqrt(share * (1 - share));
    };
    const moved = from(state);
    moved.train(few, skewed);
    const slope = (at: (by: number) => typeof state): number => (deviation(at(1e-5)) - deviation(at(-1e-5))) / 2e-5;
    const byBias = slope((by) => ({ ...state, bias: state.bias + by }));
    expect(Math.abs(byBias)).toBeGreaterThan(0.01);
    expect((moved.state().bias - state.bias) / 1e-3).toBeCloseTo(byBias, 6);
    state.weights.forEach((weight, index) => {
      const byWeight = slope((by) => ({ ...state, weights: state.weights.map((value, at) => (at === index ? value + by : value)) }));
      expect((moved.state().weights[index]! - weight) / 1e-3).toBeCloseTo(byWeight, 6);
    });
  });

  it("finds the feature that parts the returns, calls the higher group high, and tells answers apart that it has not seen", () => {
    const classifier = new GroupClassifier(settings);
    const all = standardisedRows(features, rows);
    for (let iteration = 0; iteration < 30; iteration++) classifier.train(all.slice(0, 100), returns.slice(0, 100));
    const { variance, highReturn, lowReturn } = groupStatistics(classifier.probabilities(all.slice(100)), returns.slice(100));
    expect(variance).toBeGreaterThan(0.7);
    expect(highReturn).toBeGreaterThan(0.7);
    expect(lowReturn).toBeLessThan(-0.7);
  });

  it("learns nothing from returns that do not vary", () => {
    const classifier = new GroupClassifier(settings);
    classifier.train(standardisedRows(features, rows), new Float64Array(rows).fill(2));
    expect(classifier.state()).toEqual({ weights: [], bias: 0 });
  });

  it("forgets by its weight decay", () => {
    const size = (weightDecay: number): number => {
      const classifier = new GroupClassifier({ ...settings, weightDecay });
      for (let iteration = 0; iteration < 20; iteration++) classifier.train(standardisedRows(features, rows), returns);
      return Math.hypot(...classifier.state().weights);
    };
    expect(size(1)).toBeLessThan(0.5 * size(0));
  });
});

describe("groupInvariance", () => {
  const experience: Experience = {
    sequences: [4, 3, 2, 3].map((length) => new Int32Array(length)),
    targets: [Int32Array.of(2, 3), Int32Array.of(1, 2), Int32Array.of(1), Int32Array.of(1, 2)],
    offsets: Int32Array.of(0, 2, 4, 5, 7),
    policyLogProbabilities: Float32Array.of(-1, -2, -0.5, -0.25, -3, -1, -1),
    referenceLogProbabilities: Float32Array.of(-1.5, -1, -0.5, -1.25, -2.5, -2, -1),
    values: Float32Array.of(0.5, 0.25, -0.5, 1, 0.125, 0, 0),
    scores: Float64Array.of(2, -1, 0.5, -2), finished: [true, true, true, true],
    features: Float32Array.of(3, 1, -2, 0, 2, 1, -3, 4),
  };
  const on = (given: object = {}) => trickParameters.groupInvariance.parse(given);
  const trained = (given: object = {}, coefficient = 0.5): Objective => {
    const objective = new Objective({ klPenalty: { coefficient }, groupInvariance: on(given) }, 1);
    for (let iteration = 0; iteration < 5; iteration++) {
      objective.prepare(experience);
      objective.afterIteration(0, 4);
    }
    return objective;
  };
  const plain = new Objective({ klPenalty: { coefficient: 0.5 } }, 1).prepare(experience);
  const scores = [0, 2, 0, -1, 0.5, 0, -2];

  it("in its first iteration tells nothing apart: half of the KL penalty, and the advantages as they are", () => {
    const first = new Objective({ klPenalty: { coefficient: 0.5 }, groupInvariance: on() }, 1);
    const { rewards, advantages } = first.prepare(experience);
    rewards.forEach((reward, token) => { expect(reward - scores[token]!).toBeCloseTo(0.5 * (plain.rewards[token]! - scores[token]!), 12); });
    const half = new Objective({ klPenalty: { coefficient: 0.25 } }, 1).prepare(experience).advantages;
    advantages.forEach((advantage, token) => { expect(advantage).toBeCloseTo(half[token]!, 12); });
    expect(first.metrics()).toMatchObject({ "group/variance": 0, "group/high_share": 0.5 });
  });

  it("multiplies an answer's KL penalty by its probability of the high group, or by that over its mean, or by nothing", () => {
    // a token of each row that has a penalty
    const weights = (klWeight: string) => {
      const objective = trained({ klWeight });
      const { rewards } = objective.prepare(experience);
      const found = [0, 3, 4, 5].map((token) => (rewards[token]! - scores[token]!) / (plain.rewards[token]! - scores[token]!));
      return { found, mean: found.reduce((sum, weight) => sum + weight / 4, 0), share: objective.metrics()["group/high_share"]! };
    };
    const [probabilities, balanced, off] = [weights("probability"), weights("balanced"), weights("off")];
    expect(probabilities.found[0]).toBeGreaterThan(0.6);
    expect(probabilities.found[3]).toBeLessThan(0.4);
    expect(probabilities.mean).toBeCloseTo(probabilities.share, 6);
    expect(balanced.found[0]).toBeGreaterThan(2 * balanced.found[3]!);
    expect(balanced.mean).toBeCloseTo(1, 6);
    off.found.forEach((weight) => { expect(weight).toBeCloseTo(1, 12); });
  });

  it("takes β times its influence on the variance off the advantage of each token of an answer, and leaves returns alone", () => {
    const [without, once, twice] = [0, 1, 2].map((coefficient) => trained({ coefficient, klWeight: "off" }).prepare(experience));
    expect(once!.returns).toEqual(without!.returns);
    const shift = once!.advantages.map((advantage, token) => advantage - without!.advantages[token]!);
    expect(shift[0]).toBeCloseTo(shift[1]!, 12);
    expect(shift[2]).toBeCloseTo(shift[3]!, 12);
    expect(Math.abs(shift[0]!)).toBeGreaterThan(0.01);
    // the high group's high return and the low group's low one both widen the gap
    expect(shift[0]).toBeLessThan(0);
    expect(shift[6]).toBeLessThan(0);
    expect([0, 2, 4, 5].reduce((sum, token) => sum + shift[token]!, 0)).toBeCloseTo(0, 12);
    twice!.advantages.forEach((advantage, token) => { expect(advantage - without!.advantages[token]!).toBeCloseTo(2 * shift[token]!, 12); });
  });

  it("reports variance, share, returns and KL of the groups", () => {
    const objective = trained({ klWeight: "off" });
    objective.prepare(experience);
    const found = objective.metrics();
    expect(found["group/high_return"]).toBeGreaterThan(found["group/low_return"]! + 1);
    const share = found["group/high_share"]!;
    expect(found["group/variance"]).toBeCloseTo(share * (1 - share) * (found["group/high_return"]! - found["group/low_return"]!) ** 2, 9);
    expect(found["group/explained"]).toBeGreaterThan(0.3);
    // KL of the rows: −0.5, 1, −0.5, 1
    expect(share * found["group/high_kl"]! + (1 - share) * found["group/low_kl"]!).toBeCloseTo(0.25, 6);
    expect(found["group/high_kl"]).toBeLessThan(found["group/low_kl"]!);
  });

  it("goes on from its state as if it had not stopped", () => {
    const whole = trained();
    const resumed = new Objective({ klPenalty: { coefficient: 0.5 }, groupInvariance: on() }, 1);
    resumed.restore(JSON.parse(JSON.stringify(whole.state())));
    expect(resumed.prepare(experience).advantages).toEqual(whole.prepare(experience).advantages);
    for (const one of [whole, resumed]) one.afterIteration(0, 4);
    expect(resumed.state()).toEqual(whole.state());
    expect(resumed.state()).not.toEqual(trained().state());
  });

  it("asks for features, and nothing else does", () => {
    expect(trained().readsFeatures).toBe(true);
    expect(new Objective({ klPenalty: { coefficient: 1 }, gae: { lambda: 1, gamma: 1 } }, 1).readsFeatures).toBe(false);
  });
});
