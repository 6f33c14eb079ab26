import { describe, expect, it } from "vitest";
import { learningRateAt, type Schedule } from "../../training/schedule.js";

const total = 110;
const rates = (schedule: Partial<Schedule>, steps = total) => {
  const complete: Schedule = { learningRate: 2, schedule: "constant", warmup: 0.1, floor: 0.1, ...schedule };
  return Array.from({ length: steps }, (_, step) => learningRateAt(complete, step, steps));
};

describe("learning rate", () => {
  it.each(["constant", "linear", "cosine", "inverse-square-root"] as const)("of %s rises linearly over the warmup", (schedule) => {
    const warmup = rates({ schedule }).slice(0, 11);
    warmup.forEach((rate, step) => { expect(rate).toBeCloseTo((2 * (step + 1)) / 11, 12); });
  });

  it("of constant stays at its peak", () => {
    expect(rates({ schedule: "constant", warmup: 0 })).toEqual(new Array(total).fill(2));
  });

  it("of linear goes straight from the peak to the floor at the last step", () => {
    rates({ schedule: "linear" }).slice(11).forEach((rate, step) => { expect(rate).toBeCloseTo(2 - (1.8 * step) / 98, 12); });
  });

  it("of cosine follows the half wave to the floor at the last step", () => {
    const after = rates({ schedule: "cosine" }).slice(11);
    expect(after[0]).toBe(2);
    expect(after[49]).toBeCloseTo((2 + 0.2) / 2, 12);
    expect(after[24]).toBeCloseTo(0.2 + 1.8 * 0.5 * (1 + Math.cos((Math.PI * 24) / 98)), 12);
    expect(after.at(-1)).toBeCloseTo(0.2, 12);
  });

  it("of inverse-square-root falls with the root of the step, and knows no floor", () => {
    const all = rates({ schedule: "inverse-square-root", floor: 0.9 });
    expect(all[43]).toBeCloseTo(2 * Math.sqrt(11 / 44), 12);
    expect(all[109]).toBeCloseTo(2 * Math.sqrt(11 / 110), 12);
  });

  it("is defined for a single step", () => {
    expect(rates({ schedule: "cosine" }, 1)).toEqual([2]);
  });
});
