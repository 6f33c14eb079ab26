import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { allResults, unquestionedResults } from "../../cli/submission.js";
import { digestOf } from "../../foundation/canonical.js";
import { createPlan } from "../../planner/plan.js";
import { finishStage } from "../planner/finished.js";
import { stageOf } from "../planner/pipeline.js";
import { all, eachTestHasAFailedRun, folder, homeNow, longer, store, tokenFor, write } from "./resume-fixture.js";
import { trueline } from "./trueline.js";

eachTestHasAFailedRun();

describe("resume refuses", () => {
  it("a spec of another pipeline, exit 4", async () => {
    const other = await write("other.json", (spec) => { spec["name"] = "another"; });
    expect(await trueline(["resume", "first", "--spec", other])).toMatchObject({ code: 4, stderr: expect.stringMatching(/TL_RESUME_PIPELINE .*"another".*"demo"/) });
  });

  it("a spec with faults, exit 5, and an unknown stage, exit 3, with what was meant", async () => {
    const wrong = await write("wrong.json", ({ stages }) => { stages["ppo"]!["stepps"] = 1; });
    expect(await trueline(["resume", "first", "--spec", wrong])).toMatchObject({ code: 5 });
    expect(await trueline(["resume", "first", "--from", "pop"])).toMatchObject({ code: 3, stderr: expect.stringMatching(/--from: .*pop[^]*did you mean `ppo`/) });
    expect(await trueline(["resume", "first", "--until", "evl"])).toMatchObject({ code: 3, stderr: expect.stringContaining("`eval`") });
  });

  it("to begin after where it should end, exit 2", async () => {
    expect(await trueline(["resume", "first", "--from", "ppo", "--until", "rm"])).toMatchObject({ code: 2, stderr: expect.stringContaining("--until rm does not need ppo") });
  });

  it("data that changed under the run, exit 4, before anything is written", async () => {
    await writeFile(join(folder, "book.txt"), "another book\n");
    const before = await homeNow();
    expect(await trueline(["resume", "first", "--from", "ppo"]))
      .toMatchObject({ code: 4, stderr: expect.stringMatching(/TL_STAGE_INPUT_CHANGED .*book\.txt, the data entry "book", has changed/) });
    expect(await homeNow()).toEqual(before);
    await rm(join(folder, "book.txt"));
    expect(await trueline(["resume", "first", "--from", "ppo"])).toMatchObject({ code: 4, stderr: expect.stringContaining("is no longer there") });
  });

  it("only what would read it: a file of stages that are kept may change", async () => {
    await writeFile(join(folder, "book.txt"), "another book\n");
    expect(await trueline(["resume", "first", "--from", "eval", "--preview"])).toMatchObject({ code: 0 });
  });
});

describe("resume carries out", () => {
  it("an edit whose every result is there already, with no server, and tells the ledger", async () => {
    const edited = await write("edited.json", longer);
    const plan = await createPlan(edited);
    for (const name of ["ppo", "eval"]) await finishStage(store, stageOf(plan, name), "other");
    const token = await tokenFor("--spec", edited);
    const { code, stdout, stderr } = await trueline(["resume", "first", "--spec", edited, "--token", token, "--reason", "more steps", "--json"]);
    expect([code, stderr]).toEqual([0, expect.stringContaining("nothing was run")]);
    expect(JSON.parse(stdout)).toMatchObject({ state: "finished", attempts: 2, stages: expect.arrayContaining([expect.objectContaining({ name: "ppo", state: "reused" })]) as unknown[] });
    expect(await store.runs.plan("first")).toEqual(plan);
    expect((await store.ledger.read("first")).map(({ event }) => event).find(({ type }) => type === "run-resumed")).toMatchObject({
      attempt: 2, found: "finished", reason: "more steps",
      plan: { planDigest: digestOf(plan), specPath: edited, specDigest: plan.specDigest, changes: ["steps of ppo changed from 80 to 100"] },
    });
    const history = (await trueline(["history", "first"])).stdout;
    expect(history).toContain("steps of ppo changed from 80 to 100, because: more steps");
  });

  it("an edit up to a stage, when its results are there, and then the rest", async () => {
    const edited = await write("edited.json", longer);
    for (const name of ["ppo", "eval"]) await finishStage(store, stageOf(await createPlan(edited), name), "other");
    expect(await trueline(["resume", "first", "--spec", edited, "--until", "sft"]), "it waits for somebody").toMatchObject({ code: 6 });
    expect((await store.ledger.read("first")).at(-1)!.event).toEqual({ type: "run-paused", until: "sft" });
    expect(await trueline(["resume", "first", "--until", "eval"])).toMatchObject({ code: 0 });
    expect((await store.ledger.read("first")).at(-1)!.event).toEqual({ type: "run-finished" });
  });

  it("no more than run --until was asked for, which it tells the ledger, and knows the stages of the spec", async () => {
    const path = await write("spec.json");
    const { code, stdout } = await trueline(["run", path, "--until", "sft", "--json"]);
    expect(code, "the run waits for somebody").toBe(6);
    const { id, state, stages } = JSON.parse(stdout) as { id: string; state: string; stages: { name: string; state: string }[] };
    expect([state, ...stages.map((stage) => `${stage.name} ${stage.state}`)].join(", "))
      .toBe("paused, bpe reused, base reused, sft reused, rm waiting, critic waiting, ppo waiting, eval waiting");
    const events = (await store.ledger.read(id)).map(({ event }) => event);
    expect(events[0]).toMatchObject({ type: "run-submitted", only: ["bpe", "base", "sft"] });
    expect(events.at(-1)).toEqual({ type: "run-paused", until: "sft" });
    expect((await trueline(["history", id])).stdout).toContain(", for bpe, base, sft alone");
    expect(await trueline(["resume", id])).toMatchObject({ code: 0, stdout: expect.stringContaining("finished, attempt 2") as string });
    expect(await trueline(["run", path, "--until", "eval"])).toMatchObject({ code: 0 });
    expect(await trueline(["run", path, "--until", "stf"])).toMatchObject({ code: 3, stderr: expect.stringMatching(/TL_RUN_STAGE_UNKNOWN.*did you mean `sft`/s) as string });
  });

  it.each(["stop", "ask", "note"])("results without a look at them only where no guard is breached: %s", async (then) => {
    const guarding = (above: number) => write("guarded.json", ({ stages }) => { stages["ppo"]!["guards"] = { kl: { metric: "objective/kl", above, over: 1, then } }; });
    const ppo = stageOf(await store.runs.plan("first"), "ppo");
    await store.setAside("first", [ppo], () => Promise.resolve());
    await finishStage(store, ppo, "first", 100, { "metrics.jsonl": "{\"step\":1,\"objective/kl\":5}\n" });
    const [breached, kept] = [await createPlan(await guarding(4)), await createPlan(await guarding(6))];
    expect(stageOf(breached, "ppo").key, "guards that change no bytes are no part of the key").toBe(ppo.key);
    expect(await unquestionedResults(store, kept)).toHaveLength(all.length);
    expect(await unquestionedResults(store, breached)).toBeUndefined();
    expect(await allResults(store, breached)).toHaveLength(all.length);
  });

  it("results as they are of a guard that rolls back, which has acted while they were made", async () => {
    const then = { rollBack: { change: { policyLearningRate: 1e-5 } } };
    const plan = await createPlan(await write("guarded.json", ({ stages }) => { stages["ppo"]!["guards"] = { kl: { metric: "objective/kl", above: 4, over: 1, then } }; }));
    await finishStage(store, stageOf(plan, "ppo"), "first", 100, { "metrics.jsonl": "{\"step\":1,\"objective/kl\":5}\n" });
    await finishStage(store, stageOf(plan, "eval"), "first");
    expect(await unquestionedResults(store, plan)).toHaveLength(all.length);
  });

  it("nothing for a finished run that is asked for nothing", async () => {
    const before = await homeNow();
    expect(await trueline(["resume", "first"])).toMatchObject({ code: 0, stderr: expect.stringContaining("nothing to go on with") });
    expect(await homeNow()).toEqual(before);
  });
});
