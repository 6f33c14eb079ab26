import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { manifestSchema } from "../../schemas/artifact.js";
import { pipeline, planOf } from "../planner/pipeline.js";
import { artifactOf, attemptAt, Bench, Calls } from "./computing.js";

describe("a critic's value head", () => {
  it("that is new is said in the plan and in its warnings, for PPO and for critic pretraining [trlx#345, OpenRLHF#643]", () => {
    const fresh = planOf(pipeline(({ stages }) => { Object.assign(stages["ppo"]!, { critic: "sft", preset: "vanilla" }); stages["critic"]!["init"] = "sft"; }));
    const said = "the critic starts from the language model `sft`, which has no value head: a new one of zeros is made";
    expect(fresh.warnings).toEqual(expect.arrayContaining([`ppo: ${said}`, `critic: ${said}`]));
    expect(planOf(pipeline()).warnings.join()).not.toContain("no value head");
  });

  it("stays in the artifact's description, with where it came from: the score head it was made of, or nothing [trlx#345, OpenRLHF#643]", async () => {
    const bench = await Bench.forTest();
    const { inputs, ...stage } = await bench.ppo({ steps: 1 });
    for (const [directory, type, valueHead] of [["policy", "language-model", "new"], ["reward", "reward-model", "score head"]] as const) {
      const store = bench.emptyStore();
      const ppo = { ...stage, inputs: { ...inputs, critic: await bench.model(directory, type) } };
      await attemptAt(store, ppo);
      const text = await readFile(join(store.artifacts.directory((await artifactOf(store, ppo)).digest), "artifact.json"), "utf8");
      expect(manifestSchema.parse(JSON.parse(text)).metadata.valueHead).toBe(valueHead);
    }
  });

  it("that a value model should have and has not is an error, never a new one [trlx#345, OpenRLHF#643]", async () => {
    const bench = await Bench.forTest();
    const { inputs, ...stage } = await bench.ppo();
    const critic = await bench.model("policy", "value-model");
    await expect(attemptAt(bench.emptyStore(), { ...stage, inputs: { ...inputs, critic } })).rejects.toMatchObject({ type: "TL_BACKEND_HEAD_MISSING", nonRetryable: true });
  });

  it("comes from the checkpoint when a stage resumes, and is never made anew [trlx#345]", async () => {
    const bench = await Bench.forTest();
    const store = bench.emptyStore();
    const stage = await bench.ppo({ steps: 2 });
    await expect(attemptAt(store, stage, { kill: { after: 1, signal: "SIGKILL" } })).rejects.toMatchObject({ type: "TL_BACKEND_LOST" });
    const calls = new Calls();
    await attemptAt(store, stage, { attempt: 2, calls });
    const critic = calls.loads.find(({ model }) => model === "critic");
    expect(critic).toMatchObject({ head: "value", optimizer: true, directory: expect.stringContaining(join("checkpoints", stage.key, "1", "critic")) as string });
    expect(critic).not.toHaveProperty("newHead");
  });
});
