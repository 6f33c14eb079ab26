import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createPlan } from "../../planner/plan.js";
import { Store } from "../../store/store.js";
import { failedRun, finishStage } from "../planner/finished.js";
import { hhRow, pipeline, stageOf } from "../planner/pipeline.js";
import { trueline } from "./trueline.js";

let folder: string;
let store: Store;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "trueline-compare-sweep-"));
  process.env["TRUELINE_HOME"] = join(folder, "home");
  store = new Store(join(folder, "home"));
  await writeFile(join(folder, "hh.jsonl"), hhRow);
  await writeFile(join(folder, "book.txt"), "a book\n");
});
afterEach(async () => {
  delete process.env["TRUELINE_HOME"];
  await rm(folder, { recursive: true });
});

const variants = { vanilla: { "stages.ppo.preset": "vanilla", "stages.ppo.critic": "rm" }, longer: { "stages.ppo.steps": 100 }, brief: { "stages.ppo.steps": 8 } };
const shared = ["bpe", "base", "sft", "rm", "critic"];
const objective = { stage: "eval", metric: "eval/gold" };

interface Sweep {
  readonly variants: object;
  readonly objective?: object;
}

/** A run of a sweep with two seeds, whose evaluations have the gold scores given by variant, a number a seed; other variants have not been run. */
async function run(id: string, sweep: Sweep, gold: Readonly<Record<string, readonly number[]>>): Promise<void> {
  await writeFile(join(folder, "spec.json"), JSON.stringify(pipeline((spec) => { spec["sweep"] = { axes: { seed: { seeds: [21, 22], stages: ["ppo"] } }, ...sweep }; })));
  const plan = await createPlan(join(folder, "spec.json"));
  await failedRun(store, id, plan, shared);
  for (const { name, seed, stages } of plan.sweep!.variants) {
    const score = gold[name]?.[Number(seed.replace(/\D/g, "")) - 21];
    if (score === undefined) continue;
    for (const [template, copy] of Object.entries(stages)) {
      const stage = stageOf(plan, copy);
      const line = JSON.stringify({ step: 1, "objective/gold": score, "objective/kl": 3 });
      const artifact = (await store.results.find(stage.key))?.artifact ?? await finishStage(store, stage, id, 100, { "metrics.jsonl": `${line}\n` });
      await store.ledger.append(id, { type: "stage-finished", stage: copy, key: stage.key, artifact, seconds: 100, figures: template === "eval" ? { "eval/gold": score, "eval/kl": 3 } : {} });
    }
  }
}

describe("two sweeps", () => {
  beforeEach(async () => {
    await run("first", { variants, objective }, { vanilla: [0.5, 0.6], longer: [0.7, 0.8], brief: [0.4, 0.4] });
    const { brief: _, ...others } = variants;
    await run("second", { variants: { ...others, longer: { "stages.ppo.steps": 120 }, mild: { "stages.ppo.tricks.klPenalty.coefficient": 0.01 } }, objective }, { vanilla: [0.5, 0.6], longer: [0.8, 1], mild: [0.9, 0.9] });
  });

  it("are compared by variant: which are the same, and of the others the objective side by side", async () => {
    const { code, stdout } = await trueline(["compare", "first", "second"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^stages\.ppo\.steps \(2 copies\) +100 +120$/m);
    expect(stdout).toContain("The same in both: bpe, base, sft, rm, critic.");
    expect(stdout).toContain("Variants: 1 the same in both (vanilla); 1 other in each (longer); 1 only in first (brief); 1 only in second (mild).");
    const rows = stdout.split("\n").filter((line) => line.includes("eval/gold")).map((line) => line.trimEnd().split(/ {2,}/));
    expect(rows).toEqual([
      ["longer", "eval/gold", "0.750 ± 0.0707", "0.900 ± 0.141", "+0.150", "ppo, eval"],
      ["mild", "eval/gold", "0.900 ± 0", "only in second"],
      ["brief", "eval/gold", "0.400 ± 0", "only in first"],
    ]);
    expect(stdout.trimEnd().split("\n").length).toBeLessThan(16);
  });

  it("show one stage with --stage, all with --all, and variants with their stages as JSON", async () => {
    const one = (await trueline(["compare", "first", "second", "--stage", "ppo.longer.s21"])).stdout;
    expect(one).toMatch(/^stages\.ppo\.longer\.s21\.steps +100 +120$/m);
    expect(one).toMatch(/^ppo\.longer\.s21 {2}ppo$/m);
    expect(one).not.toMatch(/s22|bpe/);
    const all = (await trueline(["compare", "first", "second", "--all"])).stdout;
    expect(all).toMatch(/^ppo\.longer\.s22 {2}ppo$/m);
    expect(all).not.toContain("Variants:");
    const json = JSON.parse((await trueline(["compare", "first", "second", "--json"])).stdout) as { variants: object[]; stages: object[] };
    expect(json.variants).toEqual([
      { name: "vanilla", standing: "same", changed: [] }, { name: "longer", standing: "differs", changed: ["ppo", "eval"] },
      { name: "brief", standing: "one", only: "before", changed: [] }, { name: "mild", standing: "one", only: "now", changed: [] },
    ]);
    expect(await trueline(["compare", "first", "second", "--stage", "ppo.longr.s21"])).toMatchObject({ code: 3, stderr: expect.stringContaining("did you mean `ppo.longer.s2") as string });
  });

  it("have the first columns of their results where there is no objective; another number of seeds is another result", async () => {
    await run("third", { variants: { longer: variants.longer } }, { longer: [0.7, 0.8] });
    await writeFile(join(folder, "spec.json"), JSON.stringify(pipeline((spec) => { spec["sweep"] = { axes: { seed: { seeds: [21, 22, 23], stages: ["ppo"] } }, variants: { longer: variants.longer } }; })));
    await failedRun(store, "fourth", await createPlan(join(folder, "spec.json")), shared);
    const { stdout } = await trueline(["compare", "third", "fourth"]);
    expect(stdout).toContain("Variants: 1 other in each (longer).");
    expect(stdout).toMatch(/^longer +eval\/gold +0\.750 ± 0\.0707 .*ppo, eval\n +eval\/kl +3 ± 0$/m);
  });

  it("against a run without a sweep say what is only there", async () => {
    await writeFile(join(folder, "spec.json"), JSON.stringify(pipeline()));
    await failedRun(store, "plain", await createPlan(join(folder, "spec.json")), shared);
    const { stdout } = await trueline(["compare", "plain", "first"]);
    expect(stdout).toContain("Variants: 3 only in first (vanilla, longer, brief).");
    expect(stdout).toContain("ppo  ppo: only in plain");
  });
});

describe("report of a sweep", () => {
  it("writes a picture and a page of the variants' curves", async () => {
    await run("first", { variants, objective }, { vanilla: [0.5, 0.6], longer: [0.7, 0.8] });
    const [svg, html] = [join(folder, "curves.svg"), join(folder, "sweep.html")];
    const { code, stdout, stderr } = await trueline(["report", "first", "--svg", svg, "--html", html]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: `Wrote ${html}\nWrote ${svg}\n` });
    expect(stdout).toMatch(/^longer +2 +0\.750/m);
    const words = [...(await readFile(svg, "utf8")).matchAll(/>([^<>]+)<\/text>/g)].map(([, text]) => text!.trim());
    expect(words).toEqual(expect.arrayContaining(["ppo", "Gold score", "KL to the reference", "longer", "vanilla", "brief"]));
    expect(words).not.toContain("eval");
  });

  it("draws nothing where no variant has begun", async () => {
    await run("first", { variants, objective }, {});
    expect(await trueline(["report", "first", "--svg", join(folder, "a.svg")])).toMatchObject({ code: 3, stderr: expect.stringContaining("TL_RUN_STAGE_UNFINISHED") as string });
  });
});
