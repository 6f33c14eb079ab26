import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { createPlan } from "../../planner/plan.js";
import { metricsLineSchema } from "../../schemas/report.js";
import type { Store } from "../../store/store.js";
import { emptyStore, filled } from "../store/home.js";
import { trueline } from "./trueline.js";

const spec = "pipelines/guarded-vanilla.json";
const curves = z.array(z.object({ stage: z.string(), metrics: z.array(metricsLineSchema) }))
  .parse(JSON.parse(await readFile("docs/vanilla-against-max.json", "utf8")));

/** A run of vanilla-against-max.json whose PPO stages have left the curves that are committed; the first one only as far as its checkpoint. */
async function finishedRun(store: Store): Promise<void> {
  const plan = await createPlan("pipelines/vanilla-against-max.json");
  await store.runs.create("r", plan, "somebody");
  for (const { stage, metrics } of curves) {
    const { key, kind } = plan.stages.find(({ name }) => name === stage)!;
    const { claim } = await store.claims.take(key, { run: "r", stage, attempt: 1 });
    const files = await filled(store, { "metrics.jsonl": metrics.slice(0, stage === "vanilla-21" ? 50 : undefined).map((line) => `${JSON.stringify(line)}\n`).join("") });
    if (stage === "vanilla-21") {
      await store.checkpoints.publish(claim, 50, files);
    } else {
      const artifact = await store.artifacts.publish(files, "language-model", { figures: {} });
      await store.results.publish(claim, { version: 1, key, artifact, type: "language-model", kind, stage, run: "r", finishedAt: new Date().toISOString(), seconds: 1, figures: {} });
    }
  }
}

describe("trueline check-guards", () => {
  const home = process.env["TRUELINE_HOME"];
  let store: Store;
  beforeEach(() => { store = emptyStore(); process.env["TRUELINE_HOME"] = store.home; });
  afterEach(() => { if (home === undefined) delete process.env["TRUELINE_HOME"]; else process.env["TRUELINE_HOME"] = home; });

  it("says for each stage of the spec and the run when its guards would have been breached, and what is not recorded", async () => {
    await finishedRun(store);
    const { code, stdout } = await trueline(["check-guards", spec, "r"]);
    expect(code).toBe(0);
    const rows = stdout.trimEnd().split("\n").slice(1).map((line) => line.split(/ {2,}/));
    expect(rows.length).toBe(15);
    expect(rows).toContainEqual(["vanilla-22", "kl", "after step 48 of 80: objective/kl is 6.75, above 6 over 5 steps"]);
    expect(rows).toContainEqual(["vanilla-21", "kl", "not in 50 steps"]);
    expect(rows).toContainEqual(["vanilla-23", "held-out", "the run does not record what it watches"]);
  });

  it("lets one stage's guards look at all stages of its kind, as JSON too", async () => {
    await finishedRun(store);
    const { stdout } = await trueline(["check-guards", spec, "r", "--stage", "vanilla-21", "--json"]);
    const { stages } = z.object({ stages: z.array(z.object({ stage: z.string(), endsAfter: z.number().optional() })) }).parse(JSON.parse(stdout));
    expect(Object.fromEntries(stages.map(({ stage, endsAfter }) => [stage, endsAfter]))).toEqual({
      "vanilla-21": undefined, "vanilla-22": 48, "vanilla-23": 47, "max-21": undefined, "max-22": undefined, "max-23": undefined,
    });
  });

  it("refuses a stage that the spec does not guard, and a run that recorded nothing", async () => {
    await store.runs.create("r", await createPlan("pipelines/vanilla-against-max.json"), "somebody");
    expect(await trueline(["check-guards", spec, "r", "--stage", "vanila-21"])).toMatchObject({ code: 3, stderr: expect.stringContaining("did you mean `vanilla-21`?") });
    expect(await trueline(["check-guards", spec, "r"])).toMatchObject({ code: 3, stderr: expect.stringContaining("TL_RUN_STAGE_UNFINISHED") });
  });
});
