import { expect, it, onTestFinished } from "vitest";
import { startOnnxBackend } from "../../backends/onnx/index.js";
import { resolvePpoTricks } from "../../planner/presets.js";
import { stageKinds } from "../../schemas/stages/table.js";
import { createDpo } from "../../training/dpo.js";
import { createPpo } from "../../training/ppo.js";
import { createRewardModel } from "../../training/reward-model.js";
import { createSft } from "../../training/sft.js";
import { assistant, dialogueRow, pairRow, promptRow, runInterrupted, runToEnd, stageData, tinyModel, tinyRewardModel, user, type Start } from "./support.js";

/** A backend in a process of its own; an interrupted stage continues in another. */
const embedded = async () => {
  const backend = await startOnnxBackend({ threads: 2 });
  onTestFinished(() => backend.close());
  return backend;
};

const texts = ["ab", "cde", "fghi", "jk", "lmnop", "q"];

const stages: Readonly<Record<string, () => Promise<Start>>> = {
  "fine-tuning": async () => {
    const model = await tinyModel(1);
    const dialogues = { train: texts.map((text) => dialogueRow([user(text), assistant(text)])), heldOut: [] };
    const parameters = stageKinds.sft.parameters.parse({ kind: "sft", model: "base", data: "sample", batch: 4, epochs: 3 });
    return (attempt) => createSft({ ...attempt, seed: 3, artifacts: { model }, data: { data: stageData({ dialogues }) }, parameters });
  },
  "the reward model": async () => {
    const model = await tinyModel(1);
    const pairs = { train: texts.map((text) => pairRow(text, "yes", "no")), heldOut: [pairRow("z", "yes", "no")] };
    const parameters = stageKinds["reward-model"].parameters.parse({ kind: "reward-model", model: "sft", data: "sample", batch: 4, epochs: 3 });
    return (attempt) => createRewardModel({ ...attempt, seed: 3, artifacts: { model }, data: { data: stageData({ pairs }) }, parameters });
  },
  DPO: async () => {
    const policy = await tinyModel(1);
    const pairs = { train: texts.map((text) => pairRow(text, "yes", "nope")), heldOut: [pairRow("z", "yes", "no")] };
    const parameters = stageKinds.dpo.parameters.parse({ kind: "dpo", policy: "sft", data: "sample", batch: 4, epochs: 3 });
    return (attempt) => createDpo({ ...attempt, seed: 3, artifacts: { policy }, data: { data: stageData({ pairs }) }, parameters });
  },
  ...Object.fromEntries((["rloo", "grpo"] as const).map((preset) => [preset, async (): Promise<Start> => {
    const [policy, reward] = [await tinyModel(1), await tinyRewardModel(2)];
    const prompts = { train: texts.map((text) => promptRow(text)), heldOut: [] };
    const parameters = stageKinds.ppo.parameters.parse({
      kind: "ppo", policy: "sft", reward: "rm", prompts: "sample", steps: 4, rollouts: 8, minibatch: 4, maxNewTokens: 6, temperature: 1,
      tricks: resolvePpoTricks(preset, {}, false),
    });
    return (attempt) => createPpo({ ...attempt, seed: 3, artifacts: { policy, reward }, data: { prompts: stageData({ prompts }) }, parameters });
  }])),
};

it.each(Object.keys(stages))("%s ends with the same bytes on ONNX Runtime, in one process or in two", async (name) => {
  const start = await stages[name]!();
  const whole = await runToEnd(start, { makeBackend: embedded });
  const interrupted = await runInterrupted(start, 2, embedded);
  expect(interrupted.files).toEqual(whole.files);
  expect(interrupted.metadata).toEqual(whole.metadata);
});
