import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { recordAttempt } from "../../cli/attempt.js";
import { planResumption } from "../../planner/resume.js";
import { saveCheckpoint } from "../planner/finished.js";
import { stageOf } from "../planner/pipeline.js";
import { eachTestHasAFailedRun, folder, observed, store } from "./resume-fixture.js";
import { trueline } from "./trueline.js";

eachTestHasAFailedRun();

describe("setting a stage aside", () => {
  it("leaves its artifact to the runs that name it, and no result, so that the stage is computed anew", async () => {
    const sft = stageOf(await store.runs.plan("first"), "sft");
    const { artifact } = (await store.results.find(sft.key))!;
    await saveCheckpoint(store, sft, "first", 7);
    await store.setAside("first", [sft], async (found) => {
      expect(found).toEqual([{ stage: "sft", key: sft.key, artifact, checkpoint: 7 }]);
      expect([await store.results.find(sft.key), await store.checkpoints.newest(sft.key)]).not.toContain(undefined);
    });
    expect([await store.results.find(sft.key), await store.checkpoints.newest(sft.key)]).toEqual([undefined, undefined]);
    await store.setAside("first", [sft], (found) => { expect(found, "nothing is left to tell of").toEqual([]); return Promise.resolve(); });
    expect(await store.artifacts.fault(artifact, { deep: true })).toBeUndefined();
    expect(await readdir(join(store.home, "aside"))).toHaveLength(1);
    expect(await trueline(["export", "first", "sft", join(folder, "out")])).toMatchObject({ code: 0 });
  });

  it("is told with its reason before the attempt that computes it anew", async () => {
    const { key } = stageOf(await store.runs.plan("first"), "rm");
    const { artifact } = (await store.results.find(key))!;
    const before = (await store.ledger.read("first")).length;
    await recordAttempt(store, await observed(), [{ name: "rm", key }], { json: true, reason: "once more" });
    expect(await store.results.find(key)).toBeUndefined();
    expect((await store.ledger.read("first")).slice(before).map(({ event }) => event)).toMatchObject([
      { type: "stage-set-aside", stage: "rm", key, artifact, reason: "once more" }, { type: "run-resumed", attempt: 2, reason: "once more" },
    ]);
  });

  it("waits for nobody: a stage that another run computes is refused", async () => {
    const plan = await store.runs.plan("first");
    const { stages } = plan;
    await store.claims.take(stageOf(plan, "sft").key, { run: "second", stage: "sft", attempt: 1 });
    const announced = vi.fn();
    await expect(store.setAside("first", stages, announced)).rejects.toMatchObject({ code: "TL_RUN_ALIVE", message: expect.stringContaining("run second") as string });
    expect(announced).not.toHaveBeenCalled();
    expect(await Promise.all(stages.map(({ key }) => store.results.find(key)))).not.toContain(undefined);
    expect(await store.claims.holder(stages[0]!.key)).toBeUndefined();
  });

  it("that a kill cuts short after the ledger's line is finished by the next attempt, which says so", async () => {
    const rm = stageOf(await store.runs.plan("first"), "rm");
    const { artifact } = (await store.results.find(rm.key))!;
    await store.ledger.append("first", { type: "stage-set-aside", stage: "rm", key: rm.key, artifact, actor: "a" });
    expect(await trueline(["verify", "first"])).toMatchObject({ code: 0 });
    const { stdout } = await trueline(["resume", "first", "--preview"]);
    expect(stdout).toMatch(/\nrm +reward-model +runs anew .* it was set aside and has not been begun since\n/);
    const resumption = await planResumption(store, "first", {});
    expect(resumption.setAside.map(({ name }) => name)).toEqual(["rm"]);
    await store.setAside("first", resumption.setAside, () => Promise.resolve());
    expect(await store.results.find(rm.key)).toBeUndefined();
    await store.ledger.append("first", { type: "run-resumed", attempt: 2, actor: "a", found: "failed", versions: {} });
    expect((await planResumption(store, "first", {})).setAside).toEqual([]);
  });
});
