import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { recordText, sealedText, unsealed } from "../../store/records.js";
import { emptyStore, planOf, plannedStage } from "./home.js";

const schema = z.strictObject({ name: z.string(), value: z.number() });

describe("a record's text", () => {
  it("is the same for the same value, whatever the order of its members", () => {
    expect(recordText({ b: 1, a: { d: 2, c: [] } })).toBe(recordText({ a: { c: [], d: 2 }, b: 1 }));
  });

  it("gives the value back, and nothing where any bit of it is another", () => {
    const text = sealedText({ name: "\u0001é e", value: 1e-8 });
    expect(unsealed(text, schema)).toEqual({ name: "\u0001é e", value: 1e-8 });
    const bytes = Buffer.from(text);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(unsealed(flipped.toString(), schema), `bit ${bit}`).toBeUndefined();
    }
  });
});

describe("a run's record", () => {
  it("that was changed is told from one that is not there", async () => {
    const store = emptyStore();
    const { submittedAt } = await store.runs.create("r", planOf(plannedStage("a")), "me");
    const path = join(store.runs.directory("r"), "run.json");
    await writeFile(path, (await readFile(path, "utf8")).replace(submittedAt, "2020-01-01T00:00:00.000Z"));
    await expect(store.runs.read("r")).rejects.toMatchObject({ code: "TL_STORE_CORRUPT" });
    await expect(store.runs.read("other")).rejects.toMatchObject({ code: "TL_STORE_MISSING" });
  });

  it("is written after its ledger has begun: a kill in between leaves no run without one", async () => {
    const store = emptyStore();
    const killed = store.runs.create("r", planOf(plannedStage("a")), "me", async () => { throw new Error("killed"); });
    await expect(killed).rejects.toThrow("killed");
    await expect(store.runs.read("r")).rejects.toMatchObject({ code: "TL_STORE_MISSING" });
  });
});
