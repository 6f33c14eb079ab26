import { describe, expect, it } from "vitest";
import { allButFirst, PackedRows, packDocuments } from "../../training/packing.js";
import { documentsOf } from "./documents.js";

const END = 99;
const documents = [[1, 2, 3], [4, 5], [6, 7, 8, 9], [10]].map((tokens) => Int32Array.from(tokens));
const plain = (rows: readonly Int32Array[]) => rows.map((row) => [...row]);

describe("packing", () => {
  it("sets an end token after each document and cuts the stream into full rows", () => {
    expect(plain(packDocuments(documentsOf(documents), 5, END))).toEqual([[1, 2, 3, END, 4], [5, END, 6, 7, 8]]);
  });

  it("keeps a stream shorter than a row", () => {
    expect(plain(packDocuments(documentsOf(documents.slice(0, 1)), 100, END))).toEqual([[1, 2, 3, END]]);
  });

  it("makes every token but a row's first a target", () => {
    expect([...allButFirst(Int32Array.from([7, 8, 9]))]).toEqual([1, 2]);
  });

  it("shuffles documents, not tokens, anew for each epoch", () => {
    const rows = new PackedRows(documentsOf(documents), { length: 14, endToken: END, seed: 4 });
    expect(rows.rowsPerEpoch).toBe(1);
    const epochs = plain(rows.slice(0, 6));
    for (const epoch of epochs) {
      const found = epoch.join(" ").split(` ${END}`).map((text) => text.trim()).filter((text) => text !== "");
      expect(found.sort()).toEqual(["1 2 3", "10", "4 5", "6 7 8 9"]);
    }
    expect(new Set(epochs.map(String)).size).toBeGreaterThan(1);
  });

  it("gives the same row at the same place, wherever reading began", () => {
    const options = { length: 4, endToken: END, seed: 4 };
    const walked = new PackedRows(documentsOf(documents), options).slice(0, 12);
    expect(plain(new PackedRows(documentsOf(documents), options).slice(7, 5))).toEqual(plain(walked.slice(7)));
  });

  it("of nothing is an error with a code", () => {
    expect(() => new PackedRows(documentsOf([]), { length: 4, endToken: END, seed: 4 })).toThrow(expect.objectContaining({ code: "TL_TRAIN_NOTHING" }));
  });
});
