import { describe, expect, it } from "vitest";
import { randomAt } from "../../foundation/random.js";
import { bootstrap, clusteredShare, percentiles, sharesInterval, wilson } from "../../training/intervals.js";

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

  it("takes its bounds between draws where they fall between", () => {
    const { low, high } = percentiles([3, 0, 1, 2, 9, 8, 7, 6, 5, 4]);
    expect(low).toBeCloseTo(0.225, 12);
    expect(high).toBeCloseTo(8.775, 12);
  });
});

describe("the interval of shares, one a prompt", () => {
  it("is Wilson's with one comparison a prompt", () => {
    const shares = [1, 1, 0, 1, 0, 1, 1, 0, 1, 1];
    expect(sharesInterval(shares, 1)).toEqual(wilson(7, 10));
  });

  it("keeps its doubt where all prompts agree, however many comparisons each has", () => {
    expect(sharesInterval(new Array<number>(30).fill(1), 3)).toEqual(wilson(30, 30));
    const { value, low, high } = sharesInterval(new Array<number>(30).fill(0.5), 4);
    expect([value, low, high]).toEqual(Object.values(wilson(15, 30)));
  });

  it("is narrower the more answers tell of each prompt, and never as if comparisons of one prompt were of many", () => {
    const width = (shares: readonly number[], most: number) => {
      const { low, high } = sharesInterval(shares, most);
      return high - low;
    };
    const mixed = Array.from({ length: 60 }, (_, index) => [0.4, 0.6][index % 2]!);
    const split = Array.from({ length: 60 }, (_, index) => index % 2);
    const one = wilson(30, 60);
    expect(width(split, 5)).toBeCloseTo(one.high - one.low, 2);
    expect(width(mixed, 5)).toBeLessThan(0.6 * width(split, 5));
    const apart = wilson(150, 300);
    expect(width(mixed, 5)).toBeCloseTo(apart.high - apart.low, 10);
  });
});

describe("the interval of a share among clusters", () => {
  it("is Wilson's where each cluster is one observation, and that of equal shares where all are of one size", () => {
    const single = [1, 1, 0, 1, 0, 1, 1, 0, 1, 1].map((count) => ({ count, total: 1 }));
    expect(clusteredShare(single)).toEqual(wilson(7, 10));
    const counts = [3, 2, 2, 1, 3, 0, 2, 3, 1, 2];
    const [own, equal] = [clusteredShare(counts.map((count) => ({ count, total: 3 })))!, sharesInterval(counts.map((count) => count / 3), 3)];
    for (const bound of ["value", "low", "high"] as const) expect(own[bound]).toBeCloseTo(equal[bound], 12);
  });

  it("counts every observation once, however the clusters' sizes differ", () => {
    expect(clusteredShare([{ count: 1, total: 1 }, { count: 0, total: 3 }])!.value).toBe(1 / 4);
  });

  it("covers the true share of clusters that lean one way about as often as it says", () => {
    let covered = 0;
    for (let trial = 0; trial < 400; trial++) {
      const random = randomAt(trial, "clusters");
      const clusters = Array.from({ length: 80 }, () => {
        const lean = random.uniform() < 0.5 ? 0.9 : 0.5;
        const total = 1 + random.integer(4);
        return { count: Array.from({ length: total }, () => random.uniform() < lean).filter(Boolean).length, total };
      });
      const { low, high } = clusteredShare(clusters)!;
      if (low <= 0.7 && high >= 0.7) covered++;
    }
    expect(covered / 400).toBeGreaterThan(0.92);
    expect(covered / 400).toBeLessThan(0.98);
  });

  it("is never as if observations of one cluster were of many, and none without an observation", () => {
    expect(clusteredShare(Array.from({ length: 20 }, (_, index) => ({ count: index % 2 === 0 ? 5 : 0, total: 5 })))).toEqual(wilson(10, 20));
    expect(clusteredShare(Array.from({ length: 20 }, () => ({ count: 5, total: 5 })))).toEqual(wilson(20, 20));
    const split = Array.from({ length: 60 }, (_, index) => ({ count: 2 + (index % 2), total: 5 }));
    expect(clusteredShare(split), "no more observations than there are").toEqual(wilson(150, 300));
    expect(clusteredShare([...split, { count: 0, total: 0 }])).toEqual(clusteredShare(split));
    expect(clusteredShare([{ count: 0, total: 0 }])).toBeUndefined();
  });
});
