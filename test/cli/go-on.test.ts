import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { goOn } from "../../cli/attempt.js";
import { createPlan } from "../../planner/plan.js";
import { planResumption } from "../../planner/resume.js";
import { finishStage } from "../planner/finished.js";
import { stageOf } from "../planner/pipeline.js";
import { eachTestHasAFailedRun, folder, longer, observed, output, store, write } from "./resume-fixture.js";

eachTestHasAFailedRun();

describe("of two who go on with a run at once", () => {
  const attempts = async () => (await store.ledger.read("first")).filter(({ event }) => event.type === "run-resumed");

  it("by resume, with the same edit, one alone does", async () => {
    const edited = await createPlan(await write("edited.json", longer));
    for (const name of ["ppo", "eval"]) await finishStage(store, stageOf(edited, name), "other");
    const run = await observed();
    const change = await planResumption(store, "first", { plan: edited });
    const both = await Promise.allSettled([0, 1].map(() => goOn(store, run, output, { change, json: true })));
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(both).toContainEqual(expect.objectContaining({ reason: expect.objectContaining({ code: "TL_RESUME_CHANGED" }) as unknown }));
    expect(await attempts()).toHaveLength(1);
  });

  it("by unpause or retry, too; the other leaves the ledger as it is", async () => {
    const { stages } = await store.runs.plan("first");
    for (const stage of stages) await finishStage(store, stage, "first");
    await store.ledger.append("first", { type: "run-paused" });
    const run = await observed();
    const unpause = { json: true, orders: [{ type: "unpause-requested", actor: "a" }] } as const;
    const paused = (await store.ledger.read("first")).length;
    expect(await goOn(store, run, output, unpause)).toBe(0);
    const before = await store.ledger.read("first");
    expect(before.slice(paused, paused + 2).map(({ event }) => event.type)).toEqual(["unpause-requested", "run-resumed"]);
    await expect(goOn(store, run, output, unpause)).rejects.toMatchObject({ code: "TL_RESUME_CHANGED" });
    expect(await store.ledger.read("first")).toEqual(before);
  });
});

describe("results alone end no attempt", () => {
  const rmAside = async () => {
    const { name, key } = stageOf(await store.runs.plan("first"), "rm");
    await store.ledger.append("first", { type: "stage-set-aside", stage: name, key, actor: "a" });
  };
  it.each([
    ["while a stage is set aside that has not been begun since", rmAside, {}],
    ["that is for some stages and bound to no end", () => Promise.resolve(), { only: ["bpe"] }],
    ["of a run whose ledger has no end", () => store.ledger.append("first", { type: "run-resumed", attempt: 1, actor: "a", found: "failed", versions: {} }), {}],
  ])("%s", async (_, given, limits) => {
    await given();
    const before = await store.ledger.read("first");
    // The way to a server ends here at once.
    await writeFile(join(folder, "temporal.toml"), "no toml");
    vi.stubEnv("TEMPORAL_CONFIG_FILE", join(folder, "temporal.toml"));
    onTestFinished(() => { vi.unstubAllEnvs(); });
    await expect(goOn(store, await observed(), output, { ...limits, json: true })).rejects.toMatchObject({ code: "TL_TEMPORAL_CONFIG" });
    expect(await store.ledger.read("first"), "nothing is written before the server is there").toEqual(before);
  });
});
