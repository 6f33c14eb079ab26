import { describe, expect, it } from "vitest";
import { randomAt } from "../../../foundation/random.js";
import { estimateAdvantages } from "../../../training/tricks/gae.js";

/** The other textbook form: Â = Σ_n (1 − λ) λ^(n−1) Â^(n), the last n-step estimate taking the remaining weight. */
function advantagesFromNStepReturns(rewards: number[], values: number[], lambda: number, gamma: number): number[] {
  return rewards.map((_, t) => {
    const steps = rewards.length - t;
    const nStep = Array.from({ length: steps }, (_, index) => {
      const n = index + 1;
      const discounted = rewards.slice(t, t + n).reduce((sum, reward, k) => sum + gamma ** k * reward, 0);
      return discounted + gamma ** n * (values[t + n] ?? 0) - values[t]!;
    });
    return nStep.reduce((sum, estimate, index) =>
      sum + estimate * (index === steps - 1 ? lambda ** index : (1 - lambda) * lambda ** index), 0);
  });
}

describe("GAE", () => {
  const random = randomAt(3, "gae");
  const lengths = [1, 2, 7, 12];
  const offsets = Int32Array.from([0, 1, 3, 10, 22]);
  const rewards = Array.from({ length: 22 }, () => random.normal());
  const values = Array.from({ length: 22 }, () => random.normal());

  it.each([[0.9, 1], [0.95, 0.99], [0, 1], [1, 1]])("equals the mixture of n-step estimates at λ %f, γ %f", (lambda, gamma) => {
    const { advantages } = estimateAdvantages(rewards, values, offsets, { lambda, gamma });
    lengths.forEach((length, row) => {
      const from = offsets[row]!;
      const expected = advantagesFromNStepReturns(rewards.slice(from, from + length), values.slice(from, from + length), lambda, gamma);
      expected.forEach((advantage, t) => { expect(advantages[from + t]).toBeCloseTo(advantage, 12); });
    });
  });

  it("gives returns that are advantage plus value", () => {
    const { advantages, returns } = estimateAdvantages(rewards, values, offsets, { lambda: 0.9, gamma: 1 });
    returns.forEach((value, token) => { expect(value).toBeCloseTo(advantages[token]! + values[token]!, 12); });
  });

  it("at λ = γ = 1 is the rest of the rewards minus the value", () => {
    const { advantages } = estimateAdvantages(rewards, values, offsets, { lambda: 1, gamma: 1 });
    const rest = rewards.slice(3, 10).reduce((sum, reward) => sum + reward, 0);
    expect(advantages[3]).toBeCloseTo(rest - values[3]!, 12);
  });

  it("lets nothing cross from one answer into another", () => {
    const changed = [...rewards];
    changed[3] = 100;
    const before = estimateAdvantages(rewards, values, offsets, { lambda: 0.9, gamma: 1 }).advantages;
    const after = estimateAdvantages(changed, values, offsets, { lambda: 0.9, gamma: 1 }).advantages;
    expect([...after.slice(0, 3), ...after.slice(4)]).toEqual([...before.slice(0, 3), ...before.slice(4)]);
  });
});
