import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hhRow, pipeline } from "../planner/pipeline.js";
import { trueline } from "./trueline.js";

let folder: string;
let spec: string;
const sweep = {
  axes: { kl: { field: "stages.ppo.tricks.klPenalty.coefficient", values: [0.05, 0.1, 0.2] }, seed: { seeds: 40, stages: ["ppo"] } }, parallel: 2,
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "trueline-sweep-"));
  await mkdir(join(folder, "home"));
  process.env.TRUELINE_HOME = join(folder, "home");
  spec = join(folder, "spec.json");
  await writeFile(join(folder, "hh.jsonl"), hhRow);
  await writeFile(join(folder, "book.txt"), "a book\n");
  await writeFile(spec, JSON.stringify(pipeline((value) => { value["sweep"] = sweep; })));
});

afterEach(async () => {
  delete process.env.TRUELINE_HOME;
  await rm(folder, { recursive: true });
});

describe("a sweep of 120 variants", () => {
  it("is planned in a few lines, copies that are alike in one", async () => {
    const { code, stdout } = await trueline(["plan", spec]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ppo × 120 +ppo +run +\? +never run before$/m);
    expect(stdout).toContain("Sweep: 120 variants (3 of kl × 40 seeds), 240 stages of theirs; once for all: bpe, base, sft, rm, critic; at most 2 stages of variants at once.");
    expect(stdout.split("\n").length).toBeLessThan(40);
  });

  it("is planned copy by copy with --all, and for machines", async () => {
    const { stdout } = await trueline(["plan", spec, "--all"]);
    expect(stdout).toMatch(/^ppo\.kl-0\.2\.s46 +ppo +run/m);
    const json = JSON.parse((await trueline(["plan", spec, "--json"])).stdout) as { stages: unknown[]; sweep: { variants: unknown[] } };
    expect([json.stages.length, json.sweep.variants.length]).toEqual([245, 120]);
  });

  it("is validated with the number of its variants", async () => {
    expect((await trueline(["validate", spec])).stdout).toContain("is valid: 245 stages.\nSweep: 120 variants");
  });
});
