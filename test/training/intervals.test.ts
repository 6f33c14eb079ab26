import { describe, expect, it } from "vitest";
import { bootstrap, wilson } from "../../training/intervals.js";

describe("Wilson's interval", () => {
  it("is where the score test's bounds are", () => {
    for (const [count, total] of [[0, 10], [3, 10], [45, 60], [240, 240]] as const) {
      const { value, low, high } = wilson(count, total);
      expect(value).toBe(count / total);
      // Wilson's bounds are the shares p at which |value − p| is 1.96 standard errors of p.
      for (const bound of [low, high]) {
        if (bound === value) continue;
        expect(Math.abs(value - bound) / Math.sqrt((bound * (1 - bound)) / total)).toBeCloseTo(1.959964, 4);
      }
      expect(low).toBeGreaterThanOrEqual(0);
      expect(high).toBeLessThanOrEqual(1);
    }
  });

  it("agrees with published figures: 81 of 263 gives 0.2553 to 0.3662", () => {
    const { low, high } = wilson(81, 263);
    expect(low).toBeCloseTo(0.2553, 4);
    expect(high).toBeCloseTo(0.3662, 4);
  });
});

describe("the bootstrap over prompts", () => {
  const values = Array.from({ length: 200 }, (_, index) => [0, 1 / 3, 2 / 3, 1][(index * 7) % 4]!);

  it("is as wide as the normal approximation of the mean of so many prompts", () => {
    const { value, low, high } = bootstrap(values, 1);
    const error = Math.sqrt(values.reduce((sum, other) => sum + (other - value) ** 2, 0)) / values.length;
    expect(value).toBeCloseTo(0.5, 10);
    expect(low).toBeCloseTo(value - 1.96 * error, 2);
    expect(high).toBeCloseTo(value + 1.96 * error, 2);
  });

  it("is the same for the same seed, and collapses where all prompts agree", () => {
    expect(bootstrap(values, 1)).toEqual(bootstrap(values, 1));
    expect(bootstrap(values, 1)).not.toEqual(bootstrap(values, 2));
    expect(bootstrap([1, 1, 1], 1)).toEqual({ value: 1, low: 1, high: 1 });
  });
});
