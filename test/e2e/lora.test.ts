import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Project } from "./program.js";

const lora = { rank: 2, alpha: 4 };
const spec = {
  version: 1, name: "adapters", seed: 5,
  data: {
    documents: { format: "text", path: "sample/documents.jsonl.gz", holdout: 0.1 },
    dialogues: { format: "dialogue", path: "sample/dialogues.jsonl", holdout: 0.1 },
    preferences: { format: "preference", path: "sample/preferences.jsonl", holdout: 0.1 },
    prompts: { format: "prompt", path: "sample/prompts.jsonl", holdout: 0.1 },
  },
  models: { nano: { architecture: "llama", layers: 1, hidden: 32, heads: 2, context: 96, tokenizer: "bpe" } },
  stages: {
    bpe: { kind: "tokenizer", data: "documents", vocabulary: 600 },
    base: { kind: "pretrain", model: "nano", data: "documents", steps: 10, batch: 4, length: 32 },
    sft: { kind: "sft", model: "base", data: "dialogues", maxSteps: 3, batch: 8, lora },
    rm: { kind: "reward-model", model: "sft", data: "preferences", maxSteps: 3, batch: 4, maxPairs: 40, normalizeOn: 16, lora },
    ppo: { kind: "ppo", policy: "sft", reward: "rm", critic: "rm", prompts: "prompts", steps: 2, rollouts: 8, minibatch: 4, maxNewTokens: 8, policyLearningRate: 1e-2, lora },
  },
};

const minutes = 60_000;
let project: Project;
let run: string;

describe("a pipeline of adapters", () => {
  beforeAll(async () => {
    project = await Project.create();
    await project.write("adapters.json", spec);
    const { code, stderr } = await project.run("run", "adapters.json");
    expect(code, stderr).toBe(0);
    [run] = await readdir(join(project.home, "runs")) as [string];
  }, 10 * minutes);
  afterAll(() => project.remove());

  const exported = async (name: string, ...options: readonly string[]) => {
    const directory = join(project.home, "..", name);
    const { code, stderr } = await project.run("export", run, "ppo", directory, ...options);
    return { code, stderr, directory, files: await readdir(directory).catch(() => []) };
  };

  it("exports an adapter in PEFT's files, and merged a whole model that continues alike", async () => {
    const adapter = await exported("adapter");
    expect(adapter.stderr).toContain("--merge");
    expect(adapter.files).toEqual(expect.arrayContaining(["adapter_config.json", "adapter_model.safetensors", "tokenizer.json"]));
    expect(adapter.files).not.toContain("model.safetensors");
    const merged = await exported("merged", "--merge");
    expect(merged.files).toEqual(expect.arrayContaining(["config.json", "model.safetensors", "artifact.json", "tokenizer.json"]));
    expect(merged.files).not.toContain("adapter_model.safetensors");
    const answers = await Promise.all([`${run}/ppo`, merged.directory].map((model) => project.run("generate", model, "Where is the lamp?", "--temperature", "0", "--max-tokens", "12")));
    expect(answers.map(({ code }) => code)).toEqual([0, 0]);
    expect(answers[1]!.stdout).toBe(answers[0]!.stdout);
    expect((await project.run("generate", adapter.directory, "hello")).stderr).toContain("--merge");
  }, 5 * minutes);

  it("wants --merge for what is made of whole models", async () => {
    expect(await exported("onnx", "--onnx")).toMatchObject({ code: 2, stderr: expect.stringContaining("--merge") });
  }, minutes);

  it("is whole by verify", async () => {
    expect((await project.run("verify")).code).toBe(0);
  }, minutes);
});
