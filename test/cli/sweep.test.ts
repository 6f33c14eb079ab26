import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { barsOf } from "../../cli/follow.js";
import { createPlan } from "../../planner/plan.js";
import { Store } from "../../store/store.js";
import { failedRun } from "../planner/finished.js";
import { hhRow, pipeline, stageOf } from "../planner/pipeline.js";
import { trueline } from "./trueline.js";

let folder: string;
let spec: string;
const sweep = {
  axes: { kl: { field: "stages.ppo.tricks.klPenalty.coefficient", values: [0.05, 0.1, 0.2] }, seed: { seeds: 40, stages: ["ppo"] } }, parallel: 2,
  objective: { stage: "eval", metric: "eval/gold" },
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

  it("can be run until one of a stage's copies, which has to be named", async () => {
    const { code, stderr } = await trueline(["run", spec, "--until", "ppo"]);
    expect(code).toBe(3);
    expect(stderr).toContain("TL_RUN_STAGE_UNKNOWN --until: the sweep makes 120 copies of ppo; it takes one of them.");
    expect(stderr).toContain("Such as --until ppo.kl-0.05.s7; `trueline plan SPEC --all` lists them.");
  });

  it("is followed with a bar for all copies of a stage", async () => {
    const plan = await createPlan(spec);
    const stages = plan.stages.map(({ name, kind, key }, index) => ({
      name, kind, key, state: index < 25 ? "finished" as const : index === 25 ? "running" as const : "waiting" as const,
      ...(index === 25 && { progress: { stage: name, phase: "training", step: 30, of: 60, metrics: {} } }),
    }));
    const bars = barsOf({ plan, stages });
    expect(bars.map(({ name }) => name)).toEqual(["bpe", "base", "sft", "rm", "critic", "ppo × 120", "eval × 120"]);
    expect(bars[5]).toEqual({ name: "ppo × 120", at: 20.5, of: 120, text: "20 finished, 1 running, 99 waiting  ppo.kl-0.05.s27 30/60" });
  });

  it("is told by status, copies in one state in one line, with the table of its variants", async () => {
    const plan = await createPlan(spec);
    const store = new Store(join(folder, "home"));
    await failedRun(store, "r", plan, ["bpe", "base"]);
    for (const name of ["eval.kl-0.1.s7", "eval.kl-0.1.s8", "eval.kl-0.2.s7"]) {
      const { key } = stageOf(plan, name);
      await store.ledger.append("r", { type: "stage-finished", stage: name, key, artifact: key, seconds: 2, figures: { "eval/gold": name.includes("0.1") ? 0.5 : 0.75, "eval/win_rate": 0.5 } });
    }
    const { stdout } = await trueline(["status", "r"]);
    expect(stdout).toMatch(/^ppo × 120 +ppo +waiting$/m);
    expect(stdout).toMatch(/^eval\.kl-0\.1\.s7, eval\.kl-0\.1\.s8, eval\.kl-0\.2\.s7 +evaluate +finished +6 s$/m);
    expect(stdout).toMatch(/^eval × 117 of 120 +evaluate +waiting$/m);
    expect(stdout).toMatch(/^variant +seeds +gold +win_rate +stages$/m);
    expect(stdout).toMatch(/^kl-0\.2 +40 +0\.750 +0\.500 +1 finished, 79 waiting$/m);
    expect(stdout.split("\n").length).toBeLessThan(25);
    expect((JSON.parse((await trueline(["status", "r", "--json"])).stdout) as { sweep: { variants: { name: string }[] } }).sweep.variants.map(({ name }) => name)).toEqual(["kl-0.2", "kl-0.1", "kl-0.05"]);
  });

  it("is validated with the number of its variants", async () => {
    expect((await trueline(["validate", spec])).stdout).toContain("is valid: 245 stages.\nSweep: 120 variants");
  });
});
