import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { stageKinds } from "../../../schemas/stages/table.js";
import { createCriticPretrain } from "../../../training/critic-pretrain.js";
import type { InputArtifact } from "../../../training/trainer.js";
import { createPpo } from "../../../training/ppo.js";
import { serve } from "../../foundation/http/server.js";
import { promptRow, runInterrupted, runToEnd, stageData, temporaryDirectory, tinyModel, tinyRewardModel, type Start } from "../support.js";

const prompts = stageData({ prompts: { train: ["a", "b", "c", "d", "e"].map((text) => promptRow(text, { letter: text })), heldOut: [] } });
const small = { steps: 3, rollouts: 6, minibatch: 4, maxNewTokens: 6, temperature: 1, preset: "vanilla" };

/** A ppo stage with a reward that is no model; `code` is the module's. */
async function ppo(
  reward: unknown,
  { code = "", artifacts = {}, ...parameters }: Readonly<Record<string, unknown>> & { readonly code?: string; readonly artifacts?: Readonly<Record<string, InputArtifact>> } = {},
): Promise<Start> {
  const policy = await tinyModel(1);
  const path = join(await temporaryDirectory(), "reward.mjs");
  await writeFile(path, code);
  return (attempt) => createPpo({
    ...attempt, seed: 3, artifacts: { policy, critic: policy, ...artifacts }, data: { prompts }, files: { reward: { path }, "reward.2": { path } }, atEnd: (end) => onTestFinished(end),
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

it("the share of a judge's replies that could not be read is a metric, of each judge where there are several", async () => {
  // Every question is asked twice: the first reply to it is none.
  const seen = new Set<string>();
  const { url } = await serve(({ body }) => {
    const { messages } = body as { messages: { content: string }[] };
    const isFirst = !seen.has(messages[0]!.content);
    seen.add(messages[0]!.content);
    return { json: { choices: [{ message: { content: isFirst ? "Well." : "7" } }] } };
  });
  const plain = await serve(() => ({ json: { choices: [{ message: { content: "3" } }] } }));
  const judge = (at: string) => ({ judge: { url: at, model: "m", retries: 0 } });
  const one = { maxNewTokens: 1, topK: 1, steps: 2 };
  const [first, second] = (await runToEnd(await ppo(judge(url), one))).metrics;
  expect(first!["objective/unreadable"]).toBe(0.5);
  // The greedy policy answers five prompts with a token each: six rollouts ask about all of them, and later ones about nothing new.
  expect(second).not.toHaveProperty("objective/unreadable");
  seen.clear();
  const [both] = (await runToEnd(await ppo([{ ...judge(url), name: "hasty" }, { ...judge(plain.url), normalize: { answers: 4 } }], one))).metrics;
  expect(both).toMatchObject({ "objective/unreadable": 0.5, "objective/unreadable/hasty": 0.5 });
  // The other was asked about the same answers when its normalisation was measured, which is no iteration.
  expect(both).not.toHaveProperty("objective/unreadable/2");
});

it("terms are summed by their weights, each with its mean as a metric", async () => {
  const lower = "export const reward = (answers) => answers.map(({ answer }) => -answer.length);";
  const rm = await tinyRewardModel(2);
  const start = await ppo([{ from: "rm", weight: 2, name: "helpful" }, { module: "reward.mjs", weight: 0.25 }], { code: lower, artifacts: { "reward.1": rm } });
  const { metrics } = await runToEnd(start);
  for (const line of metrics) {
    expect(line["objective/scores"]).toBeCloseTo(2 * line["objective/scores/helpful"]! + 0.25 * line["objective/scores/2"]!, 10);
    expect(line["objective/scores/2"]).toBeLessThan(-1);
  }
  const alone = await runToEnd(await ppo("rm", { artifacts: { reward: rm } }));
  expect(metrics[0]!["objective/scores/helpful"]).toBe(alone.metrics[0]!["objective/scores"]);
});

it("of an ensemble each answer's worst score counts", async () => {
  const artifacts = { "reward.1": await tinyRewardModel(2), "reward.2": await tinyRewardModel(9) };
  const [line] = (await runToEnd(await ppo({ combine: "min", terms: ["rm", "other"] }, { artifacts }))).metrics;
  expect(line!["objective/scores"]).toBeLessThan(Math.min(line!["objective/scores/1"]!, line!["objective/scores/2"]!));
});

it("a normalisation is measured on answers of the policy as it starts, once, and comes back with the checkpoint", async () => {
  const code = `${capitals.replace("share(answer)", "5 + 100 * share(answer)")}`;
  const start = await ppo({ module: "reward.mjs", normalize: { answers: 48 } }, { code, policyLearningRate: 0.02, steps: 4 });
  const whole = await runToEnd(start);
  expect(Math.abs(whole.metrics[0]!["objective/scores"]!)).toBeLessThan(1.5);
  expect(whole.metrics[0]!["objective/scores_std"]!).toBeLessThan(3);
  const raw = await runToEnd(await ppo({ module: "reward.mjs" }, { code, policyLearningRate: 0.02, steps: 4 }));
  expect(raw.metrics[0]!["objective/scores"]!).toBeGreaterThan(4.9);
  expect((await runInterrupted(start, 2)).files).toEqual(whole.files);
});

it("tokens above a number cost, in the reward and not in the score that is reported", async () => {
  const fined = { above: 2, perToken: 0.5 };
  const [free] = (await runToEnd(await ppo({ module: "reward.mjs" }, { code: capitals, steps: 1 }))).metrics;
  const [costly] = (await runToEnd(await ppo({ module: "reward.mjs" }, { code: capitals, steps: 1, lengthPenalty: fined }))).metrics;
  expect(costly!["objective/scores"]).toBe(free!["objective/scores"]);
  const none = (await runToEnd(await ppo({ module: "reward.mjs" }, { code: capitals, steps: 1, lengthPenalty: { above: 6, perToken: 0.5 } }))).metrics[0]!;
  expect(none["objective/reward"]).toBe(free!["objective/reward"]);
  // Most of these answers have all six tokens, so that four of them cost.
  const cost = free!["objective/reward"]! - costly!["objective/reward"]!;
  expect(cost).toBeLessThanOrEqual(2);
  expect(cost).toBeGreaterThanOrEqual(0.5 * (free!["response/length"]! - 2) - 1e-6);
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
