import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestOf, sha256 } from "../../foundation/canonical.js";
import { decideAll, type Decision } from "../../planner/decide.js";
import { collectKnowledge, plansOfPipeline } from "../../planner/knowledge.js";
import type { Plan } from "../../schemas/plan.js";
import { Store } from "../../store/store.js";
import { finishStage } from "./finished.js";
import { factsFor, pipeline, planOf, stageOf } from "./pipeline.js";

type Spec = ReturnType<typeof pipeline>;

let home: string;
let store: Store;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "trueline-decide-"));
  store = new Store(home);
});
afterEach(() => rm(home, { recursive: true }));

async function submit(plan: Plan, run: string, finished: readonly string[]): Promise<void> {
  await store.runs.create(run, plan, "someone");
  for (const name of finished) await finishStage(store, stageOf(plan, name), run);
}

async function decisions(plan: Plan): Promise<Record<string, Decision>> {
  return Object.fromEntries(decideAll(plan, await collectKnowledge(store, plan, await plansOfPipeline(store, plan.name))));
}

const upToRm = ["bpe", "base", "sft", "rm"];

describe("a decision", () => {
  it("is to run what was never run", async () => {
    const found = await decisions(planOf(pipeline()));
    expect(Object.values(found).map(({ action, reason, seconds }) => [action, reason, seconds]))
      .toEqual(Array.from({ length: 7 }, () => ["run", "never run before", undefined]));
  });

  it("is to reuse what has a result, and says from which run", async () => {
    const plan = planOf(pipeline());
    await submit(plan, "first", upToRm);
    const found = await decisions(plan);
    expect(found["rm"]).toEqual({ action: "reuse", run: "first", reason: "finished in run first, 2026-01-02 03:04", seconds: 0 });
    expect(found["critic"]).toMatchObject({ action: "run", reason: "not finished in run first, and no checkpoint was kept" });
  });

  it("is to run again what lost its artifact", async () => {
    const plan = planOf(pipeline());
    await submit(plan, "first", ["bpe"]);
    await rm(join(home, "artifacts"), { recursive: true });
    expect((await decisions(plan))["bpe"]).toMatchObject({ action: "run", reason: expect.stringMatching(/^its result is damaged: There is no artifact/) as string });
  });

  it("is to run again what is damaged, and says what is wrong with it", async () => {
    const plan = planOf(pipeline());
    const { key } = stageOf(plan, "bpe");
    await submit(plan, "first", ["bpe"]);
    const { artifact } = (await store.results.find(key))!;
    await writeFile(join(store.artifacts.directory(artifact), "key"), "cut");
    expect((await decisions(plan))["bpe"]).toMatchObject({ action: "run", reason: `its result is damaged: of its artifact ${artifact.slice(0, 12)} key has 3 bytes, not 64` });
    await writeFile(store.results.path(key), "{}");
    expect((await decisions(plan))["bpe"]).toMatchObject({ action: "run", reason: `its result is damaged: ${store.results.path(key)} is not as it was written` });
  });

  it("is to resume from the newest checkpoint, and expects the rest of the time", async () => {
    const plan = planOf(pipeline());
    await submit(plan, "first", ["base"]);
    const longer = planOf(pipeline(({ stages }) => { stages["base"]!["steps"] = 20; }));
    const { key } = stageOf(longer, "base");
    const { claim } = await store.claims.take(key, { run: "second", stage: "base", attempt: 1 });
    await store.withScratch(async (directory) => {
      await writeFile(join(directory, "state.json"), "{}");
      await store.checkpoints.publish(claim, 5, directory);
    });
    expect((await decisions(longer))["base"]).toEqual({ action: "resume", step: 5, reason: "checkpoint after step 5 of 20 from run second", seconds: 150 });
  });

  it.each<[string, (spec: Spec) => void, string, string]>([
    ["a parameter", ({ stages }) => { stages["sft"]!["learningRate"] = 0.002; }, "sft", "learningRate of sft changed from 0.001 to 0.002"],
    ["what it made run", ({ stages }) => { stages["sft"]!["learningRate"] = 0.002; }, "rm", "upstream `sft` will run"],
    ["a trick's parameter", ({ stages }) => { stages["ppo"]!["tricks"] = { klPenalty: { coefficient: 0.1 } }; }, "ppo", "tricks.klPenalty.coefficient of ppo changed from 0.05 to 0.1"],
    ["tricks on and off", ({ stages }) => { stages["ppo"]!["tricks"] = { valueClipping: false, entropyBonus: {} }; }, "ppo", "tricks.entropyBonus of ppo is now on; tricks.valueClipping of ppo is now off"],
    ["a parameter that was not set", ({ stages }) => { stages["sft"]!["maxSteps"] = 5; }, "sft", "maxSteps of sft is now 5"],
    ["the seed", (spec) => { spec["seed"] = 8; }, "bpe", "seed of bpe changed from 7 to 8"],
    ["a size of the model", ({ models }) => { models["tiny"]!["layers"] = 3; }, "base", "layers of model tiny changed from 2 to 3"],
    ["the tokenizer of the model", ({ stages }) => { stages["bpe"]!["vocabulary"] = 400; }, "base", "upstream `bpe` will run"],
    ["the share held out", ({ data }) => { data["hh"]!["holdout"] = 0.2; }, "bpe", "holdout of data entry hh changed from 0.1 to 0.2"],
    ["a data file", ({ data }) => { data["book"]!["path"] = "other.txt"; }, "base", "data of base changed from book.txt to other.txt; upstream `bpe` will run"],
    ["a reference", ({ stages }) => { stages["eval"]!["baseline"] = "base"; }, "eval", "baseline of eval is now `base` instead of `sft`"],
    ["an input more", ({ stages }) => { stages["eval"]!["pairs"] = "hh"; }, "eval", "eval now reads `pairs`"],
    ["an input less", ({ stages }) => { delete stages["eval"]!["reward"]; }, "eval", "eval no longer reads `reward`"],
    ["many things", ({ stages }) => { Object.assign(stages["sft"]!, { epochs: 3, batch: 8, learningRate: 1, warmup: 0, seed: 1 }); }, "sft", "seed of sft changed from 7 to 1; epochs of sft changed from 2 to 3; batch of sft changed from 32 to 8; and 2 more changes"],
  ])("to run says what changed: %s", async (_, change, stage, reason) => {
    const before = planOf(pipeline());
    await submit(before, "first", before.stages.map(({ name }) => name));
    expect((await decisions(planOf(pipeline(change))))[stage]).toMatchObject({ action: "run", reason });
  });

  it("to run says that a file's content changed where its path did not", async () => {
    const spec = pipeline();
    const before = planOf(spec);
    await submit(before, "first", before.stages.map(({ name }) => name));
    const facts = factsFor(spec);
    const after = planOf(spec, { ...facts, data: new Map([...facts.data, ["book", { path: facts.data.get("book")!.path, digest: sha256("new") }]]) });
    expect((await decisions(after))["base"]!.reason).toBe("the content of book.txt changed; upstream `bpe` will run");
  });

  it("compares with the most similar of the earlier runs, and not with other pipelines", async () => {
    await submit(planOf(pipeline(({ stages }) => { Object.assign(stages["sft"]!, { epochs: 1, batch: 4 }); })), "first", ["sft"]);
    await submit(planOf(pipeline(({ stages }) => { stages["sft"]!["epochs"] = 5; })), "second", ["sft"]);
    await submit(planOf(pipeline((spec) => { spec["name"] = "another"; spec.stages["sft"]!["warmup"] = 0; })), "third", ["sft"]);
    expect((await decisions(planOf(pipeline())))["sft"]!.reason).toBe("epochs of sft changed from 5 to 2");
  });

  it("to run expects the time of the newest result, by the ratio of the work", async () => {
    const before = planOf(pipeline());
    await submit(before, "first", before.stages.map(({ name }) => name));
    const found = await decisions(planOf(pipeline(({ stages }) => { Object.assign(stages["ppo"]!, { steps: 40, rollouts: 128, topP: 0.9 }); stages["base"]!["steps"] = 5; })));
    expect([found["ppo"]!.seconds, found["base"]!.seconds, found["bpe"]!.seconds]).toEqual([100, 50, 0]);
  });

  it("survives a plan in the store that is damaged", async () => {
    const plan = planOf(pipeline());
    await submit(plan, "first", ["bpe"]);
    await writeFile(store.runs.planPath("first", digestOf(plan)), "{");
    expect((await decisions(plan))["bpe"]).toMatchObject({ action: "reuse" });
  });
});
