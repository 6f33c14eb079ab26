import { describe, expect, it } from "vitest";
import { stageBatches } from "../../planner/batches.js";
import type { PlannedStage } from "../../schemas/plan.js";
import { planOf } from "../store/home.js";
import { attemptAt, Bench, Calls } from "./computing.js";

/** What a plan says of a stage's batches, and what its training does. */
async function saidAndDone(bench: Bench, stage: PlannedStage) {
  const [said] = stageBatches(planOf(stage));
  const calls = new Calls();
  await attemptAt(bench.emptyStore(), stage, { calls });
  const rows = (model: string) => calls.updates.filter((update) => update.model === model).map((update) => update.rows);
  return { said: said!, calls, rows };
}

describe("what a plan says a batch is", () => {
  it("is what PPO does: answers sampled, updates of policy and critic, and answers an update [verl#1524]", async () => {
    const bench = await Bench.forTest();
    const { said, calls, rows } = await saidAndDone(bench, await bench.ppo({ steps: 2, rollouts: 7, minibatch: 3, epochs: 2 }));
    expect(said).toEqual({
      stage: "ppo", steps: 2, updatesAStep: 6, rowsAnUpdate: 3,
      words: "a step samples 7 answers, one to each of the next 7 prompts, and goes over them 2 times in minibatches of 3 (the last of 1): "
        + "6 updates of the policy and as many of the critic; 2 steps; each of the policy's reads 2 rows of 8 tokens of text besides",
    });
    expect(calls.generations.map(({ prompts }) => prompts.length)).toEqual([7, 7]);
    expect(new Set(calls.prompts[0]!.split(" | ")).size, "seven prompts").toBe(7);
    for (const model of ["policy", "critic"]) expect(rows(model)).toEqual([3, 3, 1, 3, 3, 1, 3, 3, 1, 3, 3, 1]);
  });

  it("is what critic pretraining does [verl#1524]", async () => {
    const bench = await Bench.forTest();
    const { inputs } = await bench.ppo();
    const { said, calls, rows } = await saidAndDone(bench, bench.stage("critic-pretrain", {
      policy: "policy", reward: "reward", init: "reward", prompts: "sample", steps: 2, rollouts: 4, minibatch: 8, maxNewTokens: 4,
    }, { policy: inputs["policy"]!, reward: inputs["reward"]!, init: inputs["reward"]!, prompts: inputs["prompts"]! }));
    expect(said).toMatchObject({ steps: 2, updatesAStep: 2, rowsAnUpdate: 4 });
    expect(said.words).toBe("a step samples 4 answers, one to each of the next 4 prompts, and goes over them 2 times in minibatches of 4: 2 updates of the critic; 2 steps");
    expect(calls.generations).toHaveLength(2);
    expect(rows("critic")).toEqual([4, 4, 4, 4]);
  });

  it("is what pretraining, fine-tuning and the reward model do: one update a step, on rows that a pair counts twice among [verl#1524]", async () => {
    const bench = await Bench.forTest();
    await bench.write("pairs.jsonl", "abcd".split("").map((prompt) => ({ prompt, chosen: "yes", rejected: "no" })));
    const from = { model: await bench.model("policy", "language-model") };
    const stages = [
      [bench.stage("pretrain", { model: "policy", data: "sample", steps: 3, batch: 2, length: 8 }, { ...from, data: await bench.data("text.txt", "text", "text") }),
        "a step is one update on 2 rows of 8 tokens; 3 steps", 3],
      [bench.stage("sft", { model: "policy", data: "sample", batch: 4, maxSteps: 9 }, { ...from, data: await bench.data("dialogues.jsonl", "dialogue", "dialogues") }),
        "a step is one update on 4 dialogues; 2 passes over the data, at most 9 steps", 3],
      [bench.stage("reward-model", { model: "policy", data: "sample", batch: 2 }, { ...from, data: await bench.data("pairs.jsonl", "preference", "pairs") }),
        "a step is one update on 2 pairs, which are 4 rows; 1 pass over the data", 2],
    ] as const;
    for (const [stage, words, updates] of stages) {
      const { said, rows } = await saidAndDone(bench, stage);
      expect(said).toMatchObject({ words, updatesAStep: 1 });
      expect(rows("model")).toEqual(Array.from({ length: updates }, () => said.rowsAnUpdate));
    }
  });
});
