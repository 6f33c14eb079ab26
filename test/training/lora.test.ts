import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Backend } from "../../backends/backend.js";
import { describeAdapter } from "../../models/adapter-files.js";
import { stageKinds } from "../../schemas/stages/table.js";
import { createPpo } from "../../training/ppo.js";
import { createRewardModel } from "../../training/reward-model.js";
import { createSft } from "../../training/sft.js";
import type { InputArtifact } from "../../training/trainer.js";
import {
  assistant, dialogueRow, pairRow, promptRow, referenceBackend, runInterrupted, runStopped, runToEnd, stageData, tinyModel, tinyRewardModel, user, type Start,
} from "./support.js";

const base = { artifact: "a".repeat(64) };
const lora = { rank: 2, alpha: 4 };
const dialogues = ["ab", "ba", "cc", "dd"].map((text) => dialogueRow([user(text), assistant(text)]));
const pairs = ["a", "b", "c", "d"].map((text) => pairRow(text, "good", "bad"));
const prompts = stageData({ prompts: { train: ["a", "b", "c"].map((text) => promptRow(text)), heldOut: [promptRow("z")] } });

const sft = async (model: InputArtifact, parameters: Readonly<Record<string, unknown>> = {}): Promise<Start> => (attempt) => createSft({
  ...attempt, seed: 3, artifacts: { model }, data: { data: stageData({ dialogues: { train: dialogues, heldOut: [] } }) },
  parameters: stageKinds.sft.parameters.parse({ kind: "sft", model: "base", data: "d", epochs: 4, batch: 2, learningRate: 0.05, lora, ...parameters }),
});

const ppo = async (policy: InputArtifact, parameters: Readonly<Record<string, unknown>> = {}): Promise<Start> => {
  const reward = await tinyRewardModel(2);
  return (attempt) => createPpo({
    ...attempt, seed: 3, artifacts: { policy, reward, critic: reward }, data: { prompts },
    parameters: stageKinds.ppo.parameters.parse({
      kind: "ppo", policy: "sft", reward: "rm", critic: "rm", prompts: "p", steps: 3, rollouts: 6, minibatch: 3, maxNewTokens: 5, temperature: 1,
      policyLearningRate: 0.02, lora, tricks: { klPenalty: { coefficient: 0.1 }, gae: {}, clippedSurrogate: {}, gradientClipping: {} }, ...parameters,
    }),
  });
};

/** What an artifact of an adapter is to the stage after. */
const after = (under: InputArtifact, directory: string, metadata: InputArtifact["metadata"]): InputArtifact => {
  const { directory: whole, adapters } = under.weights ?? { directory: under.directory, adapters: [] };
  return { type: under.type, directory, metadata, base: { artifact: "b".repeat(64) }, weights: { directory: whole, adapters: [...adapters, directory] } };
};

describe("a stage with lora", () => {
  it("leaves an adapter that names its base, learns, and resumes with the same bytes", async () => {
    const start = await sft({ ...await tinyModel(1), base });
    const { directory, files, metadata, metrics } = await runToEnd(start);
    expect(metadata.base).toEqual(base);
    expect(Object.keys(files)).toEqual(expect.arrayContaining(["adapter_config.json", "adapter_model.safetensors", "tokenizer.json"]));
    expect(Object.keys(files)).not.toContain("model.safetensors");
    expect(await describeAdapter(directory)).toMatchObject({ ...lora, base: base.artifact, head: "language" });
    expect(metrics.at(-1)!["loss/sft"]).toBeLessThan(metrics[0]!["loss/sft"]!);
    expect((await runInterrupted(start, 3)).files).toEqual(files);
  });

  it("has checkpoints of the adapter and its moments alone", async () => {
    const model = await tinyModel(1);
    const { directory } = await runStopped(await sft(model), 2);
    expect((await readdir(join(directory, "model"))).sort()).toEqual(["adapter_config.json", "adapter_model.safetensors", "optimizer.safetensors"]);
    const bytes = async (path: string) => (await readFile(path)).length;
    expect(await bytes(join(directory, "model", "optimizer.safetensors"))).toBeLessThan(await bytes(join(model.directory, "model.safetensors")));
  });

  it.each([["rank", { rank: 3, alpha: 4 }, /rank is 2 .*3/], ["alpha", { rank: 2, alpha: 5 }, /alpha is 4 .*5/], ["targets", { ...lora, targets: ["q_proj"] }, /targets is .* q_proj in the stage/]])(
    "refuses a checkpoint of another %s", async (_, other, names) => {
      const model = await tinyModel(1);
      const resume = await runStopped(await sft(model), 2);
      const error: unknown = await runToEnd(await sft(model, { lora: other }), { resume }).then(() => undefined, (reason: unknown) => reason);
      expect(error).toMatchObject({ code: "TL_TRAIN_CHECKPOINT", message: expect.stringMatching(names) });
    });

  it("trains a score head beside the adapter", async () => {
    const model = { ...await tinyModel(1), base };
    const start: Start = (attempt) => createRewardModel({
      ...attempt, seed: 3, artifacts: { model }, data: { data: stageData({ pairs: { train: pairs, heldOut: [] } }) },
      parameters: stageKinds["reward-model"].parameters.parse({ kind: "reward-model", model: "sft", data: "d", batch: 2, epochs: 3, learningRate: 0.05, lora }),
    });
    const { directory, files, metadata } = await runToEnd(start);
    expect(await describeAdapter(directory)).toMatchObject({ head: "score" });
    expect(metadata).toMatchObject({ base, scoreNormalization: { mean: expect.any(Number) } });
    expect((await runInterrupted(start, 2)).files).toEqual(files);
  });
});

describe("PPO with lora", () => {
  it("measures the KL against the policy without its adapter, on an adapter of SFT's, and resumes with the same bytes", async () => {
    const root = await tinyModel(1);
    const tuned = await runToEnd(await sft(root));
    const policy = after(root, tuned.directory, tuned.metadata);
    const loads: string[] = [];
    const watched = (): Backend => {
      const backend = referenceBackend();
      return { ...backend, load: (request) => { loads.push(request.model); return backend.load(request); } };
    };
    const start = await ppo(policy);
    const { metrics, files } = await runToEnd(start, { makeBackend: watched });
    expect(loads.sort()).toEqual(["critic", "policy", "reward"]);
    expect(Math.abs(metrics[0]!["objective/kl"]!)).toBeLessThan(1e-5);
    expect(Math.abs(metrics.at(-1)!["objective/kl"]!)).toBeGreaterThan(1e-4);
    expect((await runInterrupted(start, 1)).files).toEqual(files);
  });

  it("computes what it computes with a reference of its own", async () => {
    const policy = await tinyModel(1);
    const [shared, apart] = [await runToEnd(await ppo(policy)), await runToEnd(async (attempt) => {
      const reference = await tinyModel(1);
      const reward = await tinyRewardModel(2);
      return createPpo({
        ...attempt, seed: 3, artifacts: { policy, reward, critic: reward, reference }, data: { prompts },
        parameters: stageKinds.ppo.parameters.parse({
          kind: "ppo", policy: "sft", reward: "rm", critic: "rm", prompts: "p", steps: 3, rollouts: 6, minibatch: 3, maxNewTokens: 5, temperature: 1,
          policyLearningRate: 0.02, lora, tricks: { klPenalty: { coefficient: 0.1 }, gae: {}, clippedSurrogate: {}, gradientClipping: {} },
        }),
      });
    })];
    expect(shared.files).toEqual(apart.files);
  });
});
