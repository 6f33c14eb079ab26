import { describe, expect, it } from "vitest";
import { digestOf } from "../../foundation/canonical.js";
import { planResumption, type Resumption, type ResumeRequest } from "../../planner/resume.js";
import type { Plan } from "../../schemas/plan.js";
import type { Store } from "../../store/store.js";
import { emptyStore } from "../store/home.js";
import { begin, failedRun, finishStage, saveCheckpoint } from "./finished.js";
import { pipeline, planOf, stageOf } from "./pipeline.js";

type Change = Parameters<typeof pipeline>[0];
const upToCritic = ["bpe", "base", "sft", "rm", "critic"];
const all = [...upToCritic, "ppo", "eval"];

async function resumption(store: Store, request: ResumeRequest = {}): Promise<Resumption> {
  return planResumption(store, "first", request);
}

/** What becomes of each stage, as "name fate". */
const fates = ({ stages }: Resumption) => stages.map(({ name, fate, step }) => `${name} ${fate}${step === undefined ? "" : ` ${step}`}`);
const of = ({ stages }: Resumption, name: string) => stages.find((stage) => stage.name === name)!;

async function failed(finished = upToCritic, change?: Change): Promise<{ store: Store; plan: Plan }> {
  const store = emptyStore();
  const plan = planOf(pipeline(change));
  await failedRun(store, "first", plan, finished);
  return { store, plan };
}

const edited = (change: Change) => planOf(pipeline(change));

/** Gives a run another plan, as a resume with an edited spec does. */
async function replan(store: Store, plan: Plan): Promise<void> {
  await store.runs.replan("first", plan);
  await store.ledger.append("first", {
    type: "run-resumed", attempt: await store.runs.addAttempt("first"), actor: "a", versions: {}, found: "failed",
    plan: { planDigest: digestOf(plan), specPath: plan.specPath, specDigest: plan.specDigest, changes: [] },
  });
}

describe("a resume of the plan as it is", () => {
  it("keeps what has a result, goes on from checkpoints, and runs what had not begun", async () => {
    const { store, plan } = await failed();
    await begin(store, stageOf(plan, "ppo"), "first");
    await saveCheckpoint(store, stageOf(plan, "ppo"), "first", 40);
    const found = await resumption(store);
    expect(fates(found)).toEqual([...upToCritic.map((name) => `${name} kept`), "ppo continues 40", "eval runs"]);
    expect(of(found, "ppo").reason).toBe("checkpoint after step 40 of 80 from this run");
    expect(of(found, "eval").reason).toBe("not begun yet");
    expect(found).toMatchObject({ setAside: [] });
    expect(found.changes).toBeUndefined();
  });

  it("runs anew what had begun and left nothing", async () => {
    const { store, plan } = await failed();
    await begin(store, stageOf(plan, "ppo"), "first");
    expect(of(await resumption(store), "ppo")).toMatchObject({ fate: "anew", reason: "not finished in this run, and no checkpoint was kept" });
  });
});

describe("a resume with an edited spec", () => {
  it("runs anew what the edit invalidates and nothing else, and says how much compute that keeps and loses", async () => {
    const { store } = await failed(all);
    const found = await resumption(store, { plan: edited(({ stages }) => { stages["ppo"]!["steps"] = 100; }) });
    expect(fates(found)).toEqual([...upToCritic.map((name) => `${name} kept`), "ppo anew", "eval anew"]);
    expect(of(found, "ppo")).toMatchObject({ reason: "steps of ppo changed from 80 to 100", secondsKept: 0, secondsLost: 100, secondsAhead: 125 });
    expect(of(found, "eval")).toMatchObject({ reason: "upstream `ppo` will run", secondsLost: 100 });
    expect(of(found, "sft")).toMatchObject({ secondsKept: 100, secondsLost: 0 });
    expect(found.changes).toEqual(["steps of ppo changed from 80 to 100"]);
  });

  it("of settings that change no result goes on from the checkpoint", async () => {
    const { store, plan } = await failed();
    await begin(store, stageOf(plan, "ppo"), "first");
    await saveCheckpoint(store, stageOf(plan, "ppo"), "first", 40);
    const found = await resumption(store, { plan: edited((spec) => {
      Object.assign(spec.stages["ppo"]!, { checkpoint: { everySteps: 5 }, resources: { cpus: 2 }, deadline: "2h", description: "words" });
      Object.assign(spec, { deadline: "1d", approval: { before: "eval" }, notify: [{ url: "https://example.org/hook" }] });
    }) });
    expect(fates(found)).toEqual([...upToCritic.map((name) => `${name} kept`), "ppo continues 40", "eval runs"]);
    expect(of(found, "ppo").secondsLost).toBe(0);
    expect(found.changes).toEqual([
      "checkpoint.everySteps of ppo is now 5", "resources.cpus of ppo is now 2", "deadline of ppo is now 2h",
      "approval of eval changed from nothing to {}", "the run's deadline in seconds changed from nothing to 86400",
      expect.stringMatching(/^notify changed from \[\] to \[/),
    ]);
  });

  it("tells of stages that are new, dropped, and called otherwise", async () => {
    const { store } = await failed(all);
    const found = await resumption(store, { plan: edited(({ stages }) => {
      stages["sft-2"] = { ...stages["sft"], epochs: 3 };
      stages["judge"] = stages["eval"]!;
      delete stages["eval"];
    }) });
    expect(of(found, "sft-2")).toMatchObject({ fate: "new", reason: "never run before", secondsLost: 0 });
    expect(of(found, "judge")).toMatchObject({ fate: "kept", secondsKept: 100 });
    expect(of(found, "eval")).toMatchObject({ fate: "dropped", reason: "now called judge", secondsLost: 0 });
    expect(found.changes).toEqual(["stage sft-2 is new", "stage judge is new", "stage eval is no longer in the spec"]);
    const without = await resumption(store, { plan: edited(({ stages }) => { delete stages["eval"]; }) });
    expect(of(without, "eval")).toMatchObject({ fate: "dropped", reason: "no longer in the spec", secondsLost: 100 });
  });

  it("counts half a stage up to its checkpoint, and knows of every attempt", async () => {
    const { store, plan } = await failed(["bpe", "base", "sft", "rm"]);
    const critic = stageOf(plan, "critic");
    await begin(store, critic, "first");
    await saveCheckpoint(store, critic, "first", 5);
    await begin(store, critic, "first", 5);
    await saveCheckpoint(store, critic, "first", 10);
    const kept = of(await resumption(store), "critic");
    const lost = of(await resumption(store, { plan: edited(({ stages }) => { stages["critic"]!["steps"] = 30; }) }), "critic");
    expect(kept).toMatchObject({ fate: "continues", step: 10, secondsLost: 0 });
    expect(kept.secondsKept).toBeGreaterThan(0);
    expect(lost).toMatchObject({ fate: "anew", secondsKept: 0, secondsLost: kept.secondsKept });
  });

  it("finds again what the run left under an earlier plan, two resumes ago", async () => {
    const { store, plan } = await failed(all);
    const second = edited(({ stages }) => { stages["ppo"]!["steps"] = 100; });
    await replan(store, second);
    await finishStage(store, stageOf(second, "ppo"), "first");
    const third = edited(({ stages }) => { Object.assign(stages["ppo"]!, { steps: 100, rollouts: 32 }); });
    await replan(store, third);
    expect(fates(await resumption(store, { plan }))).toEqual(all.map((name) => `${name} kept`));
    const near = edited(({ stages }) => { stages["ppo"]!["rollouts"] = 16; });
    expect(of(await resumption(store, { plan: near }), "ppo").reason, "the first plan is nearer than the second and third").toBe("rollouts of ppo changed from 64 to 16");
  });

  it("counts as lost what a result found elsewhere takes the place of", async () => {
    const { store } = await failed(all);
    const next = edited(({ stages }) => { stages["ppo"]!["steps"] = 100; });
    await finishStage(store, stageOf(next, "ppo"), "other", 30);
    expect(of(await resumption(store, { plan: next }), "ppo")).toMatchObject({ fate: "kept", secondsKept: 30, secondsLost: 100 });
  });

  it("takes up an edit that a killed resume had begun", async () => {
    const { store } = await failed(all);
    const next = edited(({ stages }) => { stages["ppo"]!["steps"] = 100; });
    await store.runs.replan("first", next);
    const found = await resumption(store);
    expect(found.plan).toEqual(next);
    expect(found.changes).toEqual(["steps of ppo changed from 80 to 100"]);
  });
});

describe("a resume from a stage", () => {
  it("computes exactly that stage and all after it anew, never the one before", async () => {
    const { store } = await failed(all);
    const found = await resumption(store, { from: "rm" });
    expect(fates(found)).toEqual(["bpe kept", "base kept", "sft kept", "rm anew", "critic anew", "ppo anew", "eval anew"]);
    expect(found.setAside.map(({ name }) => name)).toEqual(["rm", "critic", "ppo", "eval"]);
    expect(of(found, "rm")).toMatchObject({ reason: "asked for by --from rm", secondsKept: 0, secondsLost: 100 });
    expect(of(found, "ppo").reason).toBe("comes after `rm`, which is computed anew");
  });

  it("passes over its checkpoint too", async () => {
    const { store, plan } = await failed();
    await begin(store, stageOf(plan, "ppo"), "first");
    await saveCheckpoint(store, stageOf(plan, "ppo"), "first", 40);
    expect(of(await resumption(store, { from: "ppo" }), "ppo")).toMatchObject({ fate: "anew", secondsKept: 0 });
  });
});

describe("a resume until a stage", () => {
  it("is limited to that stage and what it needs", async () => {
    const { store } = await failed(["bpe", "base"]);
    const found = await resumption(store, { until: "rm" });
    expect(fates(found)).toEqual(["bpe kept", "base kept", "sft runs", "rm runs", "critic waits", "ppo waits", "eval waits"]);
    expect(found.only).toEqual(["bpe", "base", "sft", "rm"]);
    expect(of(found, "ppo").reason).toBe("the resume goes no further than `rm`");
  });

  it("goes well with from: what comes after is set aside and waits", async () => {
    const { store } = await failed(all);
    const found = await resumption(store, { from: "sft", until: "rm" });
    expect(fates(found)).toEqual(["bpe kept", "base kept", "sft anew", "rm anew", "critic waits", "ppo waits", "eval waits"]);
    expect(found.setAside).toHaveLength(5);
  });
});
