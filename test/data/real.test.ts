import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readDataset } from "./read.js";

const folder = process.env["TRUELINE_TEST_DATA"] ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));
const harmless = join(folder, "hh-rlhf/harmless-base.jsonl.gz");
const shakespeare = join(folder, "tinyshakespeare/input.txt.gz");

/** The reason is in the name: set TRUELINE_TEST_DATA to run them. */
const missing = (path: string) => (existsSync(path) ? "" : ` (skipped: no ${path})`);

describe.skipIf(!existsSync(harmless))(`harmless-base of HH-RLHF${missing(harmless)}`, () => {
  it("reads all 2,023 rows but three without an answer, within the default share", async () => {
    const { pairs, prompts, counts } = await readDataset({ name: "hh", format: "hh-rlhf", path: harmless, holdout: 0.1, maxBadShare: 0.01 });
    expect(counts["hh"]).toMatchObject({ rows: 2023, bad: 3 });
    expect(pairs.train.length + pairs.heldOut.length).toBe(2020);
    expect(Math.abs(pairs.heldOut.length / 2020 - 0.1)).toBeLessThan(0.02);
    const rows = [...pairs.train, ...pairs.heldOut];
    expect(rows.filter(({ prompt }) => prompt.length > 1).length).toBeGreaterThan(1000);
    // Every prompt alternates, from the human to the human.
    expect(rows.every(({ prompt }) => prompt.every(({ role }, turn) => role === (turn % 2 === 0 ? "user" : "assistant")))).toBe(true);
    expect(prompts.train.length + prompts.heldOut.length + counts["hh"]!["duplicates"]!).toBe(2020);
  });
});

describe.skipIf(!existsSync(shakespeare))(`tinyshakespeare${missing(shakespeare)}`, () => {
  it("is about 600 stretches of up to 2,000 characters", async () => {
    const { text } = await readDataset({ name: "text", format: "text", path: shakespeare, holdout: 0.1, maxBadShare: 0 });
    const lengths = [...text.train, ...text.heldOut].map((row) => row.text.length);
    expect(lengths.length).toBeGreaterThan(550);
    expect(lengths.length).toBeLessThan(650);
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBeGreaterThan(1_110_000);
  });
});
