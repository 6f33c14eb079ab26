import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { stageKinds } from "../../../schemas/stages/table.js";
import { createCriticPretrain } from "../../../training/critic-pretrain.js";
import { createPpo } from "../../../training/ppo.js";
import { serve } from "../../foundation/http/server.js";
import { promptRow, runInterrupted, runToEnd, stageData, temporaryDirectory, tinyModel, type Start } from "../support.js";

const prompts = stageData({ prompts: { train: ["a", "b", "c", "d", "e"].map((text) => promptRow(text, { letter: text })), heldOut: [] } });
const small = { steps: 3, rollouts: 6, minibatch: 4, maxNewTokens: 6, temperature: 1, preset: "vanilla" };

/** A ppo stage with a reward that is no model; `code` is the module's. */
async function ppo(reward: unknown, { code = "", ...parameters }: Readonly<Record<string, unknown>> & { readonly code?: string } = {}): Promise<Start> {
  const policy = await tinyModel(1);
  const path = join(await temporaryDirectory(), "reward.mjs");
  await writeFile(path, code);
  return (attempt) => createPpo({
    ...attempt, seed: 3, artifacts: { policy, critic: policy }, data: { prompts }, files: { reward: { path } }, atEnd: (end) => onTestFinished(end),
    parameters: stageKinds.ppo.parameters.parse({ kind: "ppo", policy: "sft", reward, critic: "sft", prompts: "sample", ...small, ...parameters }),
  });
}

const capitals = "const share = (text) => [...text].filter((each) => each >= 'A' && each <= 'Z').length / Math.max(1, text.length);\n"
  + "export const reward = (answers) => answers.map(({ answer }) => share(answer));";

it("PPO climbs the reward of a module", async () => {
  const { metrics } = await runToEnd(await ppo({ module: "reward.mjs" }, {
    code: capitals, steps: 25, rollouts: 24, minibatch: 12, policyLearningRate: 0.02, criticLearningRate: 0.01,
  }));
  const score = (from: number, to: number) => metrics.slice(from, to).reduce((sum, line) => sum + line["objective/scores"]!, 0) / (to - from);
  expect(score(0, 3)).toBeLessThan(0.25);
  expect(score(22, 25)).toBeGreaterThan(score(0, 3) + 0.2);
});

it("a stage that a module rewards ends with the bytes of an uninterrupted one", async () => {
  const start = await ppo({ module: "reward.mjs" }, { code: capitals });
  expect((await runInterrupted(start, 2)).files).toEqual((await runToEnd(start)).files);
});

it("so does one that a server rewards which is of another mind each time: scores that came are kept", async () => {
  let mind = 0;
  const { url } = await serve(({ body }) => ({ json: { scores: (body as { answers: unknown[] }).answers.map(() => ++mind) } }));
  const start = await ppo({ url }, { maxNewTokens: 1, topK: 1 });
  const stopped = await runInterrupted(start, 2);
  // With one token there is one answer to each prompt: five questions to the server, whatever the attempt.
  expect(mind).toBe(5);
  expect(stopped.metrics).toHaveLength(3);
});

it("a critic is pretrained on the returns of such a reward", async () => {
  const policy = await tinyModel(1);
  const path = join(await temporaryDirectory(), "reward.mjs");
  await writeFile(path, "export const reward = (answers) => answers.map(({ tags }) => (tags.letter < 'c' ? 1 : -1));");
  const { metrics } = await runToEnd((attempt) => createCriticPretrain({
    ...attempt, seed: 3, artifacts: { policy, init: policy }, data: { prompts }, files: { reward: { path } }, atEnd: (end) => onTestFinished(end),
    parameters: stageKinds["critic-pretrain"].parameters.parse({
      kind: "critic-pretrain", policy: "sft", reward: { module: "reward.mjs" }, init: "sft", prompts: "sample", steps: 12, rollouts: 16,
      minibatch: 8, maxNewTokens: 6, temperature: 1, learningRate: 0.02, warmup: 0,
    }),
  }));
  expect(metrics.at(-1)!["loss/value"]!).toBeLessThan(metrics[0]!["loss/value"]! * 0.8);
});
