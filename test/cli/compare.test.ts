import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../foundation/canonical.js";
import { createPlan } from "../../planner/plan.js";
import { Store } from "../../store/store.js";
import { failedRun, finishStage, saveCheckpoint } from "../planner/finished.js";
import { hhRow, pipeline, stageOf } from "../planner/pipeline.js";
import { trueline } from "./trueline.js";

const all = ["bpe", "base", "sft", "rm", "critic", "ppo", "eval"];
let folder: string;
let store: Store;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "trueline-cli-compare-"));
  process.env["TRUELINE_HOME"] = join(folder, "home");
  store = new Store(join(folder, "home"));
  await writeFile(join(folder, "hh.jsonl"), hhRow);
  await writeFile(join(folder, "book.txt"), "a book\n");
  await run("first", 0);
});
afterEach(async () => {
  delete process.env["TRUELINE_HOME"];
  await rm(folder, { recursive: true });
});

/** A finished run whose policy's KL is its step plus `kl`. */
async function run(id: string, kl: number, change: Parameters<typeof pipeline>[0] = () => undefined): Promise<void> {
  const plan = await planFor(change);
  const metrics = Array.from({ length: 20 }, (_, index) => `${JSON.stringify({ step: index + 1, "objective/kl": index + 1 + kl, "response/length": 30 })}\n`).join("");
  await finishStage(store, stageOf(plan, "ppo"), id, 100, { "metrics.jsonl": metrics });
  await failedRun(store, id, plan, all.filter((name) => name !== "ppo"));
  const { artifact } = (await store.results.find(stageOf(plan, "ppo").key))!;
  await store.ledger.append(id, { type: "stage-finished", stage: "ppo", key: stageOf(plan, "ppo").key, artifact, seconds: 100, figures: { "objective/kl": 20 + kl } });
}

async function planFor(change: Parameters<typeof pipeline>[0]) {
  await writeFile(join(folder, "spec.json"), JSON.stringify(pipeline(change)));
  return createPlan(join(folder, "spec.json"));
}

const longer: Parameters<typeof pipeline>[0] = ({ stages }) => { stages["ppo"]!["steps"] = 100; };

describe("compare", () => {
  it("shows what differs, the shared stages in one line, and curves at common steps", async () => {
    await run("second", 0.5, longer);
    const { code, stdout, stderr } = await trueline(["compare", "first", "second"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^Spec\n +first +second\nstages\.ppo\.steps +80 +100\n/);
    expect(stdout).toContain("The same in both: bpe, base, sft, rm, critic.");
    expect(stdout).toMatch(/\nppo {2}ppo\n +first +second +difference\nobjective\/kl +20 +20\.5 +\+0\.500\n/);
    expect(stdout).toMatch(/At common steps, first → second:\nstep +objective\/kl +response\/length\n +1 +1 → 1\.50 +30 → 30\n/);
    expect(stdout).toMatch(/\n +20 +20 → 20\.5 +30 → 30\n/);
    expect(stdout).not.toMatch(/Data|Environment/);
  });

  it("shows everything with --all, and gives whole curves as JSON", async () => {
    await run("second", 0.5, longer);
    expect((await trueline(["compare", "first", "second", "--all"])).stdout).toMatch(/Data\n[^]*\nbook\.format +text +text\n/);
    const { stages } = JSON.parse((await trueline(["compare", "first", "second", "--json"])).stdout) as { stages: { name: string; curves: { metric: string; points: number[][] }[] }[] };
    expect(stages.find(({ name }) => name === "ppo")!.curves[0]).toMatchObject({ metric: "objective/kl" });
    expect(stages.find(({ name }) => name === "ppo")!.curves[0]!.points).toHaveLength(20);
  });

  it("compares a stage that has not finished as far as its newest checkpoint, and says how far that is", async () => {
    const plan = await planFor(longer);
    const ppo = stageOf(plan, "ppo");
    await failedRun(store, "second", plan, all.filter((name) => name !== "ppo" && name !== "eval"));
    await saveCheckpoint(store, ppo, "second", 12, {
      "metrics.jsonl": Array.from({ length: 12 }, (_, index) => `${JSON.stringify({ step: index + 1, "objective/kl": index + 2 })}\n`).join(""),
    });
    const { stdout } = await trueline(["compare", "first", "second"]);
    expect(stdout).toContain("ppo  ppo: not finished in second (step 12 so far)\n");
    expect(stdout).toMatch(/\n +12 +12 → 13(\.0)?\n/);
    const { stages } = JSON.parse((await trueline(["compare", "first", "second", "--json"])).stdout) as { stages: { name: string; steps: object }[] };
    expect(stages.find(({ name }) => name === "ppo")).toMatchObject({ steps: { now: 12 }, artifacts: { before: expect.any(String) as string } });
  });

  it("says in which of the runs a stage is that the other has not, finished or not", async () => {
    const without = await planFor(({ stages }) => { delete stages["eval"]; });
    await failedRun(store, "second", without, []);
    await failedRun(store, "third", await planFor(longer), []);
    expect((await trueline(["compare", "first", "second"])).stdout).toContain("eval  evaluate: only in first\n");
    expect((await trueline(["compare", "third", "second"])).stdout).toContain("eval  evaluate: only in third\n");
    expect((await trueline(["compare", "second", "third"])).stdout).toContain("eval  evaluate: only in third\n");
  });

  it("finds nothing between runs of the same spec", async () => {
    await failedRun(store, "again", await planFor(() => undefined), []);
    expect((await trueline(["compare", "first", "again"])).stdout).toBe("The same in both: bpe, base, sft, rm, critic, ppo, eval.\n");
  });

  it("draws both as a picture", async () => {
    await run("second", 0.5, longer);
    const path = join(folder, "curves.svg");
    expect(await trueline(["compare", "first", "second", "--svg", path])).toMatchObject({ code: 0, stderr: `Wrote ${path}\n` });
    const svg = await readFile(path, "utf8");
    for (const words of ["first", "second", "KL to the SFT model", "Response length"]) expect(svg).toContain(words);
  });

  it("of one run compares its first plan with its present one", async () => {
    const plan = await planFor(longer);
    await store.runs.replan("first", plan);
    await store.ledger.append("first", {
      type: "run-resumed", attempt: 2, actor: "a", versions: {}, found: "finished", plan: { planDigest: digestOf(plan), specPath: plan.specPath, specDigest: plan.specDigest, changes: [] },
    });
    const { stdout } = await trueline(["compare", "first", "first"]);
    expect(stdout).toMatch(/first plan +present plan\nstages\.ppo\.steps +80 +100\n/);
    expect(stdout).toContain("ppo  ppo: not finished in present plan");
  });

  it("knows no other runs and stages, and no pair that is none", async () => {
    expect(await trueline(["compare", "first", "secnd"])).toMatchObject({ code: 3 });
    expect(await trueline(["compare", "first", "first", "--stage", "pop=ppo"])).toMatchObject({ code: 3, stderr: expect.stringContaining("did you mean `ppo`?") });
    expect(await trueline(["compare", "first", "first", "--stage", "ppo="])).toMatchObject({ code: 2 });
  });
});
