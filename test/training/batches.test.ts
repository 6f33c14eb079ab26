import { describe, expect, it } from "vitest";
import { BatchOrder, chunks, stepCount } from "../../training/batches.js";

describe("the order of rows", () => {
  it("shows every row once an epoch, in another order each", () => {
    const order = new BatchOrder(5, 10, 5);
    const epochs = [0, 1, 2].map((epoch) => [...order.at(2 * epoch), ...order.at(2 * epoch + 1)]);
    for (const epoch of epochs) expect([...epoch].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(epochs[1]).not.toEqual(epochs[0]);
  });

  it("lets a batch span two epochs, so that no row is left out", () => {
    const order = new BatchOrder(5, 10, 4);
    const rows = [0, 1, 2, 3, 4].flatMap((step) => order.at(step));
    for (let row = 0; row < 10; row++) expect(rows.filter((other) => other === row)).toHaveLength(2);
  });

  it("follows from the step alone", () => {
    const walked = new BatchOrder(5, 7, 3);
    for (let step = 0; step < 6; step++) walked.at(step);
    expect(new BatchOrder(5, 7, 3).at(6)).toEqual(walked.at(6));
    expect(walked.at(1)).toEqual(new BatchOrder(5, 7, 3).at(1));
  });

  it("differs between seeds", () => {
    expect(new BatchOrder(1, 50, 50).at(0)).not.toEqual(new BatchOrder(2, 50, 50).at(0));
  });

  it("of nothing is an error with a code", () => {
    expect(() => new BatchOrder(1, 0, 4)).toThrow(expect.objectContaining({ code: "TL_TRAIN_NOTHING" }));
  });
});

describe("the number of steps", () => {
  it("covers the epochs, the last batch filled from the next", () => {
    expect(stepCount(10, 4, 2)).toBe(5);
    expect(stepCount(10, 4, 1)).toBe(3);
    expect(stepCount(10, 4, 0.5)).toBe(2);
  });

  it("is capped by maxSteps and at least 1", () => {
    expect(stepCount(1000, 4, 2, 7)).toBe(7);
    expect(stepCount(1, 64, 0.01)).toBe(1);
  });
});

it("chunks keep order and leave a shorter rest", () => {
  expect(chunks([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]]);
});
