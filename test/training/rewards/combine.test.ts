import { expect, it } from "vitest";
import { combined } from "../../../training/rewards/combine.js";
import { normalizationFor } from "../../../training/rewards/normalization.js";

it("scores are summed by weights, averaged, or seen at their worst", () => {
  const scores = [3, -1, 4];
  expect(combined({ combine: "sum" }, scores, [1, 2, 0.5])).toBe(3);
  expect(combined({ combine: "mean" }, scores, [1, 1, 1])).toBe(2);
  expect(combined({ combine: "min" }, scores, [1, 1, 1])).toBe(-1);
  // The squares of 1, −3 and 2 have a mean of 14/3.
  expect(combined({ combine: "mean-minus-std" }, scores, [1, 1, 1])).toBeCloseTo(2 - Math.sqrt(14 / 3), 12);
  expect(combined({ combine: "mean-minus-std", deviations: 3 }, scores, [1, 1, 1])).toBeCloseTo(2 - 3 * Math.sqrt(14 / 3), 12);
});

it("a normalisation is given, known, or measured on the first answers drawn", async () => {
  const rounds: number[] = [];
  const draw = async (round: number) => { rounds.push(round); return [1, 2, 3].map((score) => score + 10 * round); };
  expect(await normalizationFor({}, undefined, draw)).toEqual({ mean: 0, std: 1 });
  expect(await normalizationFor({ normalize: { mean: 2, std: 4 } }, undefined, draw)).toEqual({ mean: 2, std: 4 });
  expect(await normalizationFor({ normalize: { answers: 4 } }, { mean: 7, std: 8 }, draw)).toEqual({ mean: 7, std: 8 });
  expect(rounds).toEqual([]);
  const { mean, std } = await normalizationFor({ normalize: { answers: 4 } }, undefined, draw);
  expect(rounds).toEqual([0, 1]);
  expect(mean).toBe((1 + 2 + 3 + 11) / 4);
  expect(std).toBeCloseTo(Math.sqrt((1 + 4 + 9 + 121) / 4 - mean ** 2), 12);
  expect(await normalizationFor({ normalize: { answers: 2 } }, undefined, async () => [5, 5])).toEqual({ mean: 5, std: 1 });
});
