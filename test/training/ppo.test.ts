import { describe, expect, it } from "vitest";
import { describeModel } from "../../models/configuration.js";
import { resolvePpoTricks } from "../../planner/presets.js";
import { stageKinds } from "../../schemas/stages/table.js";
import type { ResolvedTricks } from "../../schemas/tricks.js";
import { createCriticPretrain } from "../../training/critic-pretrain.js";
import { createPpo } from "../../training/ppo.js";
import { encodePrompts } from "../../training/prompts.js";
import type { InputArtifact } from "../../training/trainer.js";
import { promptRow, referenceBackend, runInterrupted, runToEnd, stageData, textRow, tinyModel, tinyRewardModel, type Start } from "./support.js";

const prompts = stageData({ prompts: { train: ["a", "b", "c", "d", "e"].map((text) => promptRow(text)), heldOut: [promptRow("z")] } });
const text = stageData({ text: { train: [textRow("hello there"), textRow("general words")], heldOut: [] } });
const small = { steps: 4, rollouts: 6, minibatch: 4, maxNewTokens: 6, temperature: 1 };

const ppo = async (parameters: Readonly<Record<string, unknown>> = {}, more: Readonly<Record<string, InputArtifact>> = {}): Promise<Start> => {
  const policy = await tinyModel(1);
  const reward = await tinyRewardModel(2);
  return (attempt) => createPpo({
    ...attempt, seed: 3, artifacts: { policy, reward, critic: reward, ...more }, data: { prompts, pretrainingData: text },
    parameters: stageKinds.ppo.parameters.parse({
      kind: "ppo", policy: "sft", reward: "rm", critic: "rm", prompts: "sample", ...small, ...parameters,
    }),
  });
};

describe("PPO", () => {
  it("starts with a ratio of 1 and a KL of 0, and moves away from them", async () => {
    const { metrics } = await runToEnd(await ppo({ policyLearningRate: 0.01, minibatch: 6 }));
    const [first, , , last] = metrics;
    expect(Math.abs(first!["val/ratio"]! - 1)).toBeLessThan(1e-5);
    expect(Math.abs(first!["objective/kl"]!)).toBeLessThan(1e-5);
    expect(Math.abs(last!["objective/kl"]!)).toBeGreaterThan(1e-4);
  });

  it("raises the score that it climbs", async () => {
    const { metrics } = await runToEnd(await ppo({
      steps: 20, rollouts: 24, minibatch: 12, policyLearningRate: 0.02, criticLearningRate: 0.01, missingEndPenalty: 0,
      tricks: { gae: {}, clippedSurrogate: {}, gradientClipping: {} },
    }));
    const score = (from: number, to: number) => metrics.slice(from, to).reduce((sum, line) => sum + line["objective/scores"]!, 0) / (to - from);
    expect(score(15, 20)).toBeGreaterThan(score(0, 3) + 0.5);
  });

  it("ends with the bytes of an uninterrupted run, wherever it was stopped: both optimizers, KL state, reward statistics and group classifier come back", async () => {
    const start = await ppo({
      policyLearningRate: 0.01,
      tricks: {
        klPenalty: { coefficient: 0.1 }, adaptiveKl: { target: 0.001, horizon: 20 }, rewardNormalization: {}, gae: {},
        clippedSurrogate: {}, valueClipping: {}, gradientClipping: {}, pretrainingLoss: { rows: 2, length: 8 }, groupInvariance: {},
      },
    });
    const whole = await runToEnd(start);
    expect(new Set(whole.metrics.map((line) => line["objective/kl_coefficient"])).size).toBe(4);
    for (const steps of [1, 3]) expect((await runInterrupted(start, steps)).files).toEqual(whole.files);
  });

  it("tells answers apart by the critic's features from the second iteration on", async () => {
    const { metrics } = await runToEnd(await ppo({ rollouts: 12, minibatch: 12, tricks: { groupInvariance: {} } }));
    expect(metrics[0]).toMatchObject({ "group/variance": 0, "group/high_share": 0.5 });
    expect(metrics[3]!["group/variance"]).toBeGreaterThan(0);
  });

  it("reports what a held-out reward model says of its answers, normalised, and trains to the same bytes without it", async () => {
    const heldOut = await tinyRewardModel(9);
    const alike = { ...await tinyRewardModel(2), metadata: { figures: {}, scoreNormalization: { mean: 0.1, std: 1 } } };
    const [alone, judged, twice] = [await runToEnd(await ppo()), await runToEnd(await ppo({}, { heldOutReward: heldOut })), await runToEnd(await ppo({}, { heldOutReward: alike }))];
    expect(judged.files["model.safetensors"]).toBe(alone.files["model.safetensors"]);
    expect(alone.metrics[0]).not.toHaveProperty("objective/held_out_scores");
    expect(judged.metrics[3]!["objective/held_out_scores"]).not.toBe(judged.metrics[3]!["objective/scores"]);
    expect(judged.metadata.figures["objective/held_out_scores"]).toBe(judged.metrics[3]!["objective/held_out_scores"]);
    for (const line of twice.metrics) expect(line["objective/held_out_scores"]).toBeCloseTo(line["objective/scores"]! / 2, 5);
  });

  it("takes the penalty for a missing end off the reward, and not off the score that is reported", async () => {
    const [free] = (await runToEnd(await ppo({ steps: 1 }))).metrics;
    const [fined] = (await runToEnd(await ppo({ steps: 1, missingEndPenalty: 2 }))).metrics;
    expect(free!["response/unfinished"]).toBeGreaterThan(0);
    expect(fined!["objective/scores"]).toBe(free!["objective/scores"]);
    expect(fined!["objective/reward"]).toBeCloseTo(free!["objective/reward"]! - 2 * free!["response/unfinished"]!, 5);
  });
});

/** The presets without a critic, as the planner resolves them. */
const criticless: Readonly<Record<string, ResolvedTricks>> = {
  rloo: resolvePpoTricks("rloo", { groupBaseline: { samples: 3 } }, false),
  grpo: resolvePpoTricks("grpo", { groupBaseline: { samples: 3 } }, false),
};

describe.each(Object.entries(criticless))("%s", (_, tricks) => {
  const start = async (parameters: Readonly<Record<string, unknown>> = {}): Promise<Start> => {
    const policy = await tinyModel(1);
    const reward = await tinyRewardModel(2);
    return (attempt) => createPpo({
      ...attempt, seed: 3, artifacts: { policy, reward }, data: { prompts },
      parameters: stageKinds.ppo.parameters.parse({ kind: "ppo", policy: "sft", reward: "rm", prompts: "sample", ...small, policyLearningRate: 0.01, tricks, ...parameters }),
    });
  };

  it("raises the score that it climbs, with no critic to report on", async () => {
    const { metrics, metadata } = await runToEnd(await start({ steps: 20, rollouts: 24, minibatch: 12, policyLearningRate: 0.02 }));
    const score = (from: number, to: number) => metrics.slice(from, to).reduce((sum, line) => sum + line["objective/scores"]!, 0) / (to - from);
    expect(score(15, 20)).toBeGreaterThan(score(0, 3) + 0.5);
    expect(Object.keys(metrics[0]!).filter((name) => /value|explained/.test(name))).toEqual([]);
    expect(metadata).not.toHaveProperty("valueHead");
  });

  it("ends with the bytes of an uninterrupted run, wherever it was stopped", async () => {
    const begin = await start();
    const whole = await runToEnd(begin);
    expect(Math.abs(whole.metrics[3]!["objective/kl"]!)).toBeGreaterThan(1e-4);
    for (const steps of [1, 3]) expect((await runInterrupted(begin, steps)).files).toEqual(whole.files);
  });
});

it("groups of answers lie side by side, and each iteration has the next prompts", async () => {
  const { tokenizer } = await tinyModel(1);
  const parameters = { ...small, tooLong: "drop", maxTooLongShare: 1 } as const;
  const supply = await encodePrompts({ parameters, seed: 3, backend: referenceBackend(), artifacts: {}, data: { prompts }, phase: () => {} }, tokenizer, 48, 3);
  const drawn = [0, 1].flatMap((iteration) => supply.at(iteration).map(({ row }) => row));
  expect(drawn).toHaveLength(12);
  expect([0, 3, 6, 9].map((place) => new Set(drawn.slice(place, place + 3)).size)).toEqual([1, 1, 1, 1]);
  expect(new Set(drawn).size).toBe(4);
});

describe("critic pretraining", () => {
  const critic = async (): Promise<Start> => {
    const policy = await tinyModel(1);
    const reward = await tinyRewardModel(2);
    return (attempt) => createCriticPretrain({
      ...attempt, seed: 3, artifacts: { policy, reward, init: policy }, data: { prompts },
      parameters: stageKinds["critic-pretrain"].parameters.parse({
        kind: "critic-pretrain", policy: "sft", reward: "rm", init: "sft", prompts: "sample", ...small, steps: 12, rollouts: 16,
        learningRate: 0.02, warmup: 0,
      }),
    });
  };

  it("lowers the value loss and leaves a value model", async () => {
    const { metrics, directory } = await runToEnd(await critic());
    const loss = (from: number, to: number) => metrics.slice(from, to).reduce((sum, line) => sum + line["loss/value"]!, 0) / (to - from);
    expect(loss(8, 12)).toBeLessThan(0.8 * loss(0, 2));
    expect(await describeModel(directory)).toMatchObject({ head: "value" });
  });

  it("ends with the bytes of an uninterrupted run", async () => {
    const start = await critic();
    expect((await runInterrupted(start, 5)).files).toEqual((await runToEnd(start)).files);
  });
});
