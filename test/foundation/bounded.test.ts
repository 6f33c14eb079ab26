import { expect, it } from "vitest";
import { bounded, TimeBound } from "../../foundation/bounded.js";

it("work gives its result, and throws what it throws", () => {
  expect(bounded(1000, () => bounded(1000, () => 7) + 1)).toBe(8);
  expect(() => bounded(1000, () => { throw new TypeError("wrong"); })).toThrow(TypeError);
});

it("work that never ends is ended: a loop, and a pattern that backtracks", () => {
  expect(() => bounded(50, () => { for (;;); })).toThrow(TimeBound);
  expect(() => bounded(50, () => /^(a+)+$/.test(`${"a".repeat(60)}b`))).toThrow("took longer than 0.050 s");
});

it("work that was held up once is done again", () => {
  let attempts = 0;
  expect(bounded(50, () => {
    attempts++;
    while (attempts === 1);
    return attempts;
  })).toBe(2);
});
