import { describe, expect, it } from "vitest";
import { combineDatasets } from "../../data/dataset.js";
import { Mixture, trainingOrder } from "../../training/mixture.js";
import { MixedRows, PackedRows } from "../../training/packing.js";
import { documentsOf } from "./documents.js";
import { dialogueRow, assistant, stageData, user } from "./support.js";

const count = (values: readonly number[], wanted: number) => values.filter((value) => value === wanted).length;
const partsOf = (mixture: Mixture, from: number, to: number) => Array.from({ length: to - from }, (_, index) => mixture.at(from + index).part);

describe("a mixture", () => {
  it("gives each part its share of every thousand rows, in an order of its own for each", () => {
    const mixture = new Mixture(1, [2, 1, 1]);
    for (const block of [0, 1, 7]) {
      const parts = partsOf(mixture, 1000 * block, 1000 * (block + 1));
      expect([0, 1, 2].map((part) => count(parts, part))).toEqual([500, 250, 250].map((share) => expect.closeTo(share, -0.5) as unknown));
    }
    expect(partsOf(mixture, 0, 1000)).not.toEqual(partsOf(mixture, 1000, 2000));
    expect(partsOf(new Mixture(2, [2, 1, 1]), 0, 1000)).not.toEqual(partsOf(mixture, 0, 1000));
  });

  it("leaves no part out, however small its weight", () => {
    expect(count(partsOf(new Mixture(1, [1e9, 1]), 0, 1000), 1)).toBe(1);
  });

  it("counts each part's rows without a gap, wherever reading begins", () => {
    const walked = new Mixture(3, [3, 1]);
    const next = [0, 0];
    for (let position = 0; position < 3000; position++) {
      const { part, nth } = walked.at(position);
      expect(nth).toBe(next[part]!++);
    }
    for (const position of [2999, 1000, 17]) expect(new Mixture(3, [3, 1]).at(position)).toEqual(walked.at(position));
  });
});

describe("the order of a mixture's rows", () => {
  const rows = (name: string, length: number) => Array.from({ length }, (_, index) => dialogueRow([user(`${name}${index}`), assistant("a")]));
  const data = (weights?: readonly number[]) => combineDatasets(
    [stageData({ dialogues: { train: rows("a", 10), heldOut: [] } }), stageData({ dialogues: { train: rows("b", 5), heldOut: [] } })], weights,
  );
  const places = Array.from({ length: 15 }, (_, index) => index);

  it("draws each entry by its weight, all its rows before one comes again", () => {
    const order = trainingOrder(1, data([1, 3]), "dialogues", places, 20);
    const drawn = Array.from({ length: 50 }, (_, step) => order.at(step)).flat();
    expect(count(drawn.map((row) => (row < 10 ? 0 : 1)), 1)).toBeCloseTo(750, -1);
    const second = drawn.filter((row) => row >= 10);
    for (let epoch = 0; epoch < 100; epoch++) expect(new Set(second.slice(5 * epoch, 5 * epoch + 5)).size).toBe(5);
    expect(order.at(31)).toEqual(trainingOrder(1, data([1, 3]), "dialogues", places, 20).at(31));
  });

  it("knows an entry's rows though some were dropped, and refuses an entry of which none is left", () => {
    const kept = places.filter((place) => place % 2 === 1);
    const order = trainingOrder(1, data([1, 1]), "dialogues", kept, 1000);
    const drawn = order.at(0);
    expect([...new Set(drawn)].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(count(drawn.map((row) => (kept[row]! < 10 ? 0 : 1)), 0)).toBe(500);
    expect(() => trainingOrder(1, data([1, 1]), "dialogues", places.slice(0, 10), 4)).toThrow(expect.objectContaining({ code: "TL_TRAIN_NOTHING" }));
  });

  it("is that of all rows together where nothing has a weight", () => {
    const order = trainingOrder(1, data(), "dialogues", places, 15);
    expect([...order.at(0)].sort((a, b) => a - b)).toEqual(places);
  });
});

it("mixed text is drawn by rows of tokens, each supply in its own order", () => {
  const supply = (token: number, path: number) => new PackedRows(documentsOf([Int32Array.of(token, token, token)]), { length: 4, endToken: 9, seed: 1 }, [path]);
  const rows = new MixedRows(1, [supply(1, 0), supply(2, 1)], [4, 1]).slice(0, 1000);
  expect(count(rows.map((row) => row[0]!), 2)).toBeCloseTo(200, -1);
  expect(new MixedRows(1, [supply(1, 0), supply(2, 1)], [4, 1]).slice(400, 3)).toEqual(rows.slice(400, 403));
});
