import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KeySet } from "../../data/key-set.js";
import { indicesWhere, joined, jsonCodec, mapped, selected, SpilledRows, tokensCodec } from "../../data/row-list.js";

let folder: string;
beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), "trueline-rows-")); });
afterAll(() => rm(folder, { recursive: true }));

const list = (items: readonly string[], held?: number) => {
  const rows = new SpilledRows<string>(jsonCodec(), folder, held);
  for (const item of items) rows.push(item);
  return rows;
};

describe("rows that are spilled", () => {
  const items = Array.from({ length: 3000 }, (_, index) => `${index}${"字".repeat(index % 50)}`);

  it("are the same wherever they lie, in any order of reading", () => {
    for (const held of [10, 1000, 1_000_000]) {
      const rows = list(items, held);
      expect(rows).toHaveLength(items.length);
      expect([...rows]).toEqual(items);
      for (const index of [2999, 0, 1500, 2998]) expect(rows.at(index)).toBe(items[index]);
      expect([rows.at(-1), rows.at(3000)]).toEqual([undefined, undefined]);
    }
  });

  it("can be read while they grow, an item larger than what is held included", () => {
    const rows = list([], 100);
    for (const [index, item] of ["a", "b".repeat(5000), "", "c"].entries()) {
      rows.push(item);
      expect(rows.at(index)).toBe(item);
    }
    expect(rows.at(0)).toBe("a");
  });

  it("leave no file behind that has a name", async () => {
    list(items, 10);
    expect(await readdir(folder)).toEqual([]);
  });

  it("may be lists of tokens", () => {
    const rows = new SpilledRows(tokensCodec, folder, 64);
    const tokens = [[[1, -2, 3], []], [], [[7]], [[], [2 ** 31 - 1]]].map((lists) => lists.map((each) => Int32Array.from(each)));
    for (const lists of tokens) rows.push(lists);
    expect([...rows]).toEqual(tokens);
  });
});

describe("views of rows", () => {
  it("join, select and change without a copy", () => {
    const rows = joined([list(["a", "b"]), [], list([], 10), list(["c"])]);
    expect([...rows]).toEqual(["a", "b", "c"]);
    expect([rows.at(2), rows.at(3)]).toEqual(["c", undefined]);
    expect([...selected(rows, Int32Array.of(2, 0, 2))]).toEqual(["c", "a", "c"]);
    expect([...mapped(rows, (row, index) => `${row}${index}`)]).toEqual(["a0", "b1", "c2"]);
    expect([...indicesWhere(rows, (row) => row !== "b")]).toEqual([0, 2]);
  });
});

describe("a set of keys", () => {
  it("knows each text once, through all its growing", () => {
    const keys = new KeySet();
    const texts = Array.from({ length: 5000 }, (_, index) => `text ${index}`);
    expect(texts.map((text) => keys.add(text))).toEqual(texts.map(() => true));
    expect(texts.map((text) => keys.add(text))).toEqual(texts.map(() => false));
    expect(keys.add("another")).toBe(true);
  });
});
