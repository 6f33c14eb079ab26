import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { planOf, plannedStage as stage } from "../store/home.js";
import { failureOf, Stand } from "./stand.js";

let stand: Stand;
beforeAll(async () => { stand = await Stand.start(); }, 20 * 60_000);
afterAll(() => stand.end());
beforeEach(() => { stand.log.length = 0; });

describe("the pipeline workflow", () => {
  it("starts a stage when those before it are finished, with their artifacts, and independent ones side by side", async () => {
    const run = await stand.submit(planOf(stage("a", [], "done"), stage("b", ["a"], "done"), stage("c", ["a"], "done"), stage("d", ["b", "c"], "done")));
    expect(Object.keys(await run.result() as object).sort()).toEqual(["a", "b", "c", "d"]);
    const at = (entry: string) => stand.log.indexOf(entry);
    expect(at("b begins after a")).toBeGreaterThan(at("a ends"));
    expect(Math.max(at("b begins after a"), at("c begins after a"))).toBeLessThan(Math.min(at("b ends"), at("c ends")));
    expect(at("d begins after b+c")).toBe(6);
    expect(await stand.events(run.workflowId)).toEqual([{ type: "run-finished" }]);
  });

  it("goes on with branches that a failure does not concern, blocks those it does, and fails with every cause", async () => {
    const run = await stand.submit(planOf(
      stage("bad", [], "broken"), stage("after", ["bad"], "done"), stage("last", ["after"], "done"), stage("good", [], "done"),
      stage("worse", ["good"], "broken")));
    const failure = await failureOf(run.result());
    expect(failure).toMatchObject({ type: "TL_RUN_FAILED", message: expect.stringMatching(/bad: TL_TRAIN_DIVERGED loss is NaN\nworse: /) as string });
    expect(stand.log).toContain("good ends");
    expect(stand.log.filter((entry) => /^(after|last|bad ends)/.test(entry))).toEqual([]);
    expect(stand.log.filter((entry) => entry.startsWith("bad begins"))).toHaveLength(1);
    expect(await stand.events(run.workflowId)).toMatchObject([{ type: "run-failed", failures: [{ stage: "bad", hint: "Lower the learning rate." }, { stage: "worse" }] }]);
    expect(await run.query("stages")).toEqual({ bad: "failed", after: "blocked", last: "blocked", good: "finished", worse: "failed" });
  });

  it("tries a stage again after a fault that may pass", async () => {
    const run = await stand.submit(planOf(stage("a", [], "flaky")));
    await run.result();
    expect(stand.log.filter((entry) => entry.startsWith("a begins"))).toHaveLength(2);
  });

  it("when cancelled waits for stages to save, and starts no others", async () => {
    const run = await stand.submit(planOf(stage("a", [], "endless"), stage("b", ["a"], "done")));
    await stand.until(run.workflowId, "a begins after nothing");
    await run.cancel();
    expect(await failureOf(run.result())).toMatchObject({ name: "CancelledFailure" });
    expect(stand.log).toEqual(["a begins after nothing", "a saved: cancelled", "a fails"]);
    expect(await stand.events(run.workflowId)).toEqual([{ type: "run-cancelled" }]);
  });

  it("limited to some stages leaves the others, and ends as paused", async () => {
    const run = await stand.submit(planOf(stage("a", [], "done"), stage("b", ["a"], "done"), stage("c", ["b"], "done")), { only: ["a", "b"], until: "b" });
    expect(Object.keys(await run.result() as object)).toEqual(["a", "b"]);
    expect(await stand.events(run.workflowId)).toEqual([{ type: "run-paused", until: "b" }]);
  });
});

describe("a sweep", () => {
  const variant = (name: string) => ({ name, seed: "", settings: {}, stages: { ppo: `ppo.${name}`, eval: `eval.${name}` } });
  const sweep = (kinds: readonly string[], parallel: number) => ({
    ...planOf(stage("rm", [], "done"), ...["a", "b", "c"].map((name, index) => stage(`ppo.${name}`, ["rm"], kinds[index]!)), ...["a", "b", "c"].map((name) => stage(`eval.${name}`, [`ppo.${name}`], "done"))),
    sweep: { variants: ["a", "b", "c"].map(variant), parallel },
  });

  it("has no more stages of variants under way than it may, and brings a variant to its end before it begins another", async () => {
    const run = await stand.submit(sweep(["done", "done", "done"], 1));
    await run.result();
    const begun = stand.log.filter((entry) => entry.includes("begins")).map((entry) => entry.split(" ")[0]);
    expect(begun).toEqual(["rm", "ppo.a", "eval.a", "ppo.b", "eval.b", "ppo.c", "eval.c"]);
    for (let at = 0; at < stand.log.length; at += 2) expect(stand.log[at + 1]).toBe(`${begun[at / 2]} ends`);
  });

  it("goes on with its other variants when one fails, and has that one alone to do when it is resumed", async () => {
    const plan = sweep(["done", "mended", "done"], 2);
    const run = await stand.submit(plan);
    expect(await failureOf(run.result())).toMatchObject({ type: "TL_RUN_FAILED", message: "ppo.b: TL_TRAIN_DIVERGED loss is NaN" });
    expect(await run.query("stages")).toMatchObject({ "eval.a": "finished", "ppo.b": "failed", "eval.b": "blocked", "eval.c": "finished" });
    await (await stand.submit(plan, { run: run.workflowId })).result();
    expect((await stand.events(run.workflowId)).at(-1)).toEqual({ type: "run-finished" });
  });
});

describe("successive halving", () => {
  // Stages of the longest names are best: four variants, of which two and then one go on.
  const names = ["a", "bb", "ccc", "dddd"];
  const halving = { stage: "ppo", metric: "objective/gold", goal: "maximize", every: 10, keep: 0.5 } as const;
  const plan = {
    ...planOf(...names.map((name) => ({ ...stage(`ppo.${name}`, [], "racing"), parameters: { steps: 30 } })), ...names.map((name) => stage(`eval.${name}`, [`ppo.${name}`], "done"))),
    sweep: { variants: names.map((name) => ({ name, seed: "", settings: {}, stages: { ppo: `ppo.${name}`, eval: `eval.${name}` } })), halving },
  };

  it("stops the worst at each rung, runs nothing after them, and finishes with what is left", async () => {
    const run = await stand.submit(plan);
    expect(Object.keys(await run.result() as object).sort()).toEqual(["eval.dddd", "ppo.dddd"]);
    expect(stand.log.filter((entry) => entry.includes("waits")).sort()).toEqual([...names.map((name) => `ppo.${name} waits at 10`), "ppo.ccc waits at 20", "ppo.dddd waits at 20"].sort());
    const events = await stand.events(run.workflowId);
    expect(events).toMatchObject([
      { type: "sweep-halved", of: "ppo", step: 10, kept: [{ variant: "dddd", value: 8 }, { variant: "ccc" }], ended: [{ variant: "bb" }, { variant: "a", value: 5 }], stopped: [{ stage: "ppo.bb" }, { stage: "ppo.a" }] },
      { type: "sweep-halved", step: 20, kept: [{ variant: "dddd" }], stopped: [{ stage: "ppo.ccc" }] }, { type: "run-finished" },
    ]);
    expect(await run.query("stages")).toMatchObject({ "ppo.a": "stopped-early", "eval.a": "stopped-early", "ppo.dddd": "finished" });
  });

  it("decides a rung once: a new attempt leaves alone what was stopped", async () => {
    const run = `halved-${names.length}`;
    const stopped = ["a", "bb"].map((name) => ({ stage: `ppo.${name}`, key: plan.stages.find((each) => each.name === `ppo.${name}`)!.key }));
    await stand.store.ledger.append(run, { type: "sweep-halved", of: "ppo", step: 10, metric: "objective/gold", kept: [], ended: [], stopped });
    await (await stand.submit(plan, { run })).result();
    expect(stand.log.filter((entry) => /ppo.*begins/.test(entry)).sort()).toEqual(["ccc", "dddd", "dddd"].map((name) => `ppo.${name} begins after nothing`));
  });
});

describe("a paused run", () => {
  const plan = planOf(stage("a", [], "done"), stage("b", ["a"], "slow"), stage("c", ["b"], "done"));

  it("saves its checkpoints and ends; a new attempt goes on", async () => {
    const run = await stand.submit(plan);
    await stand.until(run.workflowId, "b begins after a");
    await stand.order(run.workflowId, { type: "pause-requested", actor: "me" });
    await run.result();
    expect(stand.log).toContain("b saved: paused");
    expect((await stand.events(run.workflowId)).at(-1)).toEqual({ type: "run-paused" });
    expect(await run.query("stages")).toEqual({ a: "finished", b: "cancelled", c: "waiting" });
    await (await stand.submit(plan, { run: run.workflowId })).result();
    expect((await stand.events(run.workflowId)).at(-1)).toEqual({ type: "run-finished" });
  });

  it("that is unpaused while it saves goes on by itself", async () => {
    const run = await stand.submit(plan);
    await stand.until(run.workflowId, "b begins after a");
    await stand.order(run.workflowId, { type: "pause-requested", actor: "me" });
    await sleep(300);
    expect(stand.log.at(-1), "it is saving").toBe("b begins after a");
    await stand.order(run.workflowId, { type: "unpause-requested", actor: "me" });
    await run.result();
    expect((await stand.events(run.workflowId)).map(({ type }) => type)).toEqual(["pause-requested", "unpause-requested", "run-finished"]);
  });

  it("that was paused before a worker came does nothing", async () => {
    await stand.store.ledger.append("early", { type: "pause-requested", actor: "me" });
    await (await stand.environment.client.workflow.start("pipeline", { workflowId: "early", taskQueue: "trueline-cpu", args: [{ run: "early", plan }] })).result();
    expect(stand.log).toEqual([]);
    expect((await stand.events("early")).at(-1)).toEqual({ type: "run-paused" });
  });
});
