import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Backend, StepRequest, StepResult } from "../../../backends/backend.js";
import { startOnnxBackend } from "../../../backends/onnx/index.js";
import { createReferenceBackend } from "../../../backends/reference/index.js";
import { startTorchBackend } from "../../../backends/torch/index.js";
import { randomAt } from "../../../foundation/random.js";
import { initializeModel } from "../../../models/initialize.js";
import { stageKinds } from "../../../schemas/stages/table.js";
import type { ResolvedTricks } from "../../../schemas/tricks.js";
import type { Experience } from "../../../training/experience.js";
import { dpoLoss } from "../../../training/dpo-loss.js";
import { languageLoss } from "../../../training/language-loss.js";
import { Objective } from "../../../training/objective.js";
import { pairLoss } from "../../../training/pairs.js";
import { createPpo } from "../../../training/ppo.js";
import type { InputArtifact } from "../../../training/trainer.js";
import { promptRow, runToEnd, stageData, temporaryDirectory, textRow, tinyModel, type MakeBackend, type Start } from "../../training/support.js";
import { describeWithPython } from "./python.js";

const vocabulary = 29;
const random = randomAt(5, "agreement");
// the padding token, 0, comes in every row: nothing is padding, so its embedding learns like any other
const sequences = [9, 5, 12, 7, 4, 11].map((length) => Int32Array.from({ length }, (_, place) => (place === 1 ? 0 : random.integer(vocabulary))));
const targets = sequences.map(({ length }) => Int32Array.from({ length: length - 2 }, (_, index) => index + 2));
const offsets = targets.reduce((all, { length }) => [...all, all.at(-1)! + length], [0]);
const tokens = offsets.at(-1)!;
const rows = Int32Array.of(3, 0, 5, 1, 4);
const noise = (spread: number) => Float64Array.from({ length: tokens }, () => spread * random.normal());
const text = [Int32Array.of(3, 5, 7, 9, 11), Int32Array.of(2, 4)];
const changes = noise(0.4);
const valueChanges = noise(0.4);

/** Every trick alone, then all together. */
const tricks: Readonly<Record<string, ResolvedTricks>> = {
  "no trick": {},
  klPenalty: { klPenalty: { coefficient: 0.05 } },
  referenceSampling: { referenceSampling: {} },
  entropyBonus: { entropyBonus: { coefficient: 0.05, clip: 30 } },
  rewardScaling: { rewardScaling: {} },
  rewardNormalization: { rewardNormalization: { clip: 0.8 } },
  advantageNormalization: { advantageNormalization: {} },
  valueClipping: { valueClipping: { range: 0.2 } },
  gae: { gae: { lambda: 0.9, gamma: 0.98 } },
  clippedSurrogate: { clippedSurrogate: { range: 0.2 } },
  gradientClipping: { gradientClipping: { norm: 0.01 } },
  pretrainingLoss: { pretrainingLoss: { coefficient: 0.2, rows: 2, length: 8 } },
  groupBaseline: { groupBaseline: { samples: 2, baseline: "mean", scale: true } },
  klLoss: { klLoss: { coefficient: 0.5 } },
  sequenceRatio: { groupBaseline: { samples: 3, baseline: "leave-one-out", scale: false }, sequenceRatio: {}, clippedSurrogate: { range: 0.2 } },
  lossAggregation: { lossAggregation: { mode: "answer-mean" } },
};
const together = Object.assign({}, ...Object.values(tricks)) as ResolvedTricks;

let home: string;
let oracle: Backend;
const candidates: Record<string, Backend> = {};

/** Greater than the tolerance by nothing but rounding: numbers near 0 are held to 1e-5 of 1. */
function expectSame(found: StepResult, wanted: StepResult): void {
  const close = (actual: number, expected: number, what: string) =>
    expect(Math.abs(actual - expected), `${what}: ${actual} for ${expected}`).toBeLessThanOrEqual(1e-5 * Math.max(Math.abs(expected), what === "norm" ? 0 : 0.1));
  wanted.losses.forEach((loss, part) => close(found.losses[part]!, loss, `loss ${part}`));
  wanted.statistics.forEach((named, part) => Object.entries(named).forEach(([name, value]) => close(found.statistics[part]![name]!, value, name)));
  close(found.gradientNorm, wanted.gradientNorm, "norm");
}

describeWithPython("the torch backend agrees", () => {
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "trueline-agreement-"));
    await initializeModel(home, {
      family: "llama", vocabulary, hidden: 16, layers: 2, heads: 4, keyValueHeads: 2, headSize: 4, intermediate: 24, context: 32,
      ropeTheta: 10000, normEpsilon: 1e-5, tiedEmbeddings: true, attentionBias: false, outputBias: false, mlpBias: false, endTokens: [1], padToken: 0,
    }, 4);
    oracle = createReferenceBackend();
    candidates["one process"] = await startTorchBackend({ threads: 1, device: "cpu" });
    candidates["two processes"] = await startTorchBackend({ processes: 2, threads: 2, device: "cpu" });
    candidates["the embedded backend"] = await startOnnxBackend({ threads: 1 });
    for (const backend of [oracle, ...Object.values(candidates)]) {
      await backend.load({ model: "policy", directory: home, head: "language", trainable: true });
      await backend.load({ model: "critic", directory: home, head: "value", newHead: { init: "normal", seed: 3 }, trainable: true });
      await backend.load({ model: "reward", directory: home, head: "score", newHead: { init: "normal", seed: 8 }, trainable: true });
    }
  });
  afterAll(async () => {
    await Promise.all(Object.values(candidates).map((backend) => backend.close()));
    await rm(home, { recursive: true });
  });

  const compare = async (model: string, request: StepRequest): Promise<void> => {
    const wanted = await oracle.step(model, request);
    expect(wanted.gradientNorm).toBeGreaterThan(1e-4);
    for (const backend of Object.values(candidates)) expectSame(await backend.step(model, request), wanted);
  };

  /** An iteration in which the models have moved since sampling, so that both sides of every clip occur. */
  const experience = async (): Promise<Experience> => {
    const batch = { sequences, targets };
    const now = (await oracle.forward("policy", { batch, quantities: ["logProbabilities"], temperature: 0.8 })).logProbabilities!;
    const values = (await oracle.forward("critic", { batch, quantities: ["values"] })).values!;
    const { scores } = await oracle.forward("reward", { batch, quantities: ["scores"] });
    return {
      ...batch, offsets: Int32Array.from(offsets), policyLogProbabilities: now.map((value, token) => value - changes[token]!),
      referenceLogProbabilities: now, values: values.map((value, token) => value - valueChanges[token]!),
      scores: Float64Array.from(scores!), finished: sequences.map(() => true),
    };
  };

  it.each([...Object.entries(tricks), ["all tricks", together] as const])("with the oracle, as does the embedded backend, on policy and critic: %s", async (_, resolved) => {
    const prepared = new Objective(resolved, 0.8, () => text).prepare(await experience());
    const objective = new Objective(resolved, 0.8, () => text);
    const optimizer = objective.optimizer({ learningRate: 0, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0 });
    await compare("policy", { parts: objective.policyParts(prepared, rows, 0), optimizer });
    await compare("critic", { parts: [objective.valuePart(prepared, rows)], optimizer });
  });

  it("on the language-model loss", async () => {
    await compare("policy", { parts: [languageLoss(sequences.map((row, index) => ({ tokens: row, targets: targets[index]! })))] });
  });

  it.each([0, 0.5])("on the pairwise loss, with an LM coefficient of %d", async (coefficient) => {
    const row = (index: number) => ({ tokens: sequences[index]!, targets: targets[index]! });
    await compare("reward", { parts: [pairLoss([0, 2, 4].map((first) => ({ chosen: row(first), rejected: row(first + 1) })), coefficient)] });
  });

  it.each(["sigmoid", "hinge", "ipo"] as const)("on DPO's loss, %s", async (loss) => {
    const row = (index: number) => ({ tokens: sequences[index]!, targets: targets[index]! });
    const chosen = [0, 2, 4].map((first) => ({ chosen: row(first), rejected: row(first + 1) }));
    const rows = [0, 2, 4, 1, 3, 5];
    const now = (await oracle.forward("policy", { batch: { sequences: rows.map((index) => sequences[index]!), targets: rows.map((index) => targets[index]!) }, quantities: ["logProbabilities"] })).logProbabilities!;
    const settings = { loss, beta: 0.3, labelSmoothing: loss === "sigmoid" ? 0.1 : 0 };
    await compare("policy", { parts: [dpoLoss(chosen, now.map((value, token) => value - changes[token]!), settings)] });
  });

  describe("over 20 iterations of PPO with the embedded backend", () => {
    const start = async (): Promise<Start> => {
      const policy = await tinyModel(1);
      const reward = await rewardModel(2);
      const data = {
        prompts: stageData({ prompts: { train: ["a", "b", "c", "d", "e"].map((prompt) => promptRow(prompt)), heldOut: [promptRow("z")] } }),
        pretrainingData: stageData({ text: { train: [textRow("hello there"), textRow("general words")], heldOut: [] } }),
      };
      return (attempt) => createPpo({
        ...attempt, seed: 3, artifacts: { policy, reward, critic: reward }, data,
        parameters: stageKinds.ppo.parameters.parse({
          kind: "ppo", policy: "sft", reward: "rm", critic: "rm", prompts: "sample", steps: 20, rollouts: 8, minibatch: 4, maxNewTokens: 6,
          temperature: 1, policyLearningRate: 0.003, criticLearningRate: 0.003, tricks: {
            klPenalty: { coefficient: 0.1 }, adaptiveKl: { target: 0.01, horizon: 50 }, rewardNormalization: {}, gae: {}, clippedSurrogate: {},
            valueClipping: {}, entropyBonus: {}, gradientClipping: {}, pretrainingLoss: { rows: 2, length: 8 },
          },
        }),
      });
    };
    const onFinish = (make: () => Promise<Backend>): MakeBackend => async () => {
      const backend = await make();
      onTestFinished(() => backend.close());
      return backend;
    };

    it.each([1, 2])("in %d process(es): the same answers, losses to 1e-4", async (processes) => {
      const trainer = await start();
      const expected = await runToEnd(trainer, { makeBackend: onFinish(() => startOnnxBackend({ threads: 1 })) });
      const found = await runToEnd(trainer, { makeBackend: onFinish(() => startTorchBackend({ processes, threads: processes, device: "cpu" })) });
      expect(found.metrics).toHaveLength(20);
      const last = expected.metrics.at(-1)!;
      expect(Math.abs(last["objective/kl"]!), "the policy has moved").toBeGreaterThan(1e-3);
      expected.metrics.forEach((line, step) => {
        for (const name of ["loss/policy", "loss/value", "loss/pretraining", "objective/kl", "objective/entropy"]) {
          expect(Math.abs(found.metrics[step]![name]! - line[name]!), `${name} at step ${step + 1}`).toBeLessThanOrEqual(1e-4 * Math.max(1, Math.abs(line[name]!)));
        }
        expect(found.metrics[step]!["response/length"]).toBe(line["response/length"]);
      });
    });
  });
});

/** A reward model with a random head on a random body: something to climb, whatever it means. */
async function rewardModel(seed: number): Promise<InputArtifact> {
  const body = await tinyModel(seed);
  const backend = createReferenceBackend();
  await backend.load({ model: "rm", directory: body.directory, head: "score", newHead: { init: "normal", seed }, trainable: false });
  const directory = await temporaryDirectory();
  await backend.save("rm", directory, { optimizer: false });
  await backend.close();
  await body.tokenizer.copyTo(directory);
  return { type: "reward-model", directory, metadata: { figures: {}, scoreNormalization: { mean: 0.1, std: 0.5 } } };
}
