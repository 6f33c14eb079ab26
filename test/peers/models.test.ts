import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { randomAt } from "../../foundation/random.js";
import type { Backend } from "../../backends/backend.js";
import { startOnnxBackend } from "../../backends/onnx/index.js";
import { createReferenceBackend } from "../../backends/reference/index.js";
import type { Head, ModelConfiguration } from "../../models/configuration.js";
import { initializeModel } from "../../models/initialize.js";
import { parameterCount, parameterShapes, sizeOf } from "../../models/parameters.js";
import { writeSafetensors } from "../../models/safetensors.js";
import { expectSameQuantities, readModelFacts } from "../models/agreement.js";
import { needsPython, python, runScript } from "./python.js";

const sizes = {
  vocabulary: 41, hidden: 24, layers: 2, heads: 4, keyValueHeads: 2, headSize: 8, intermediate: 36, context: 32,
  ropeTheta: 2e4, normEpsilon: 1e-5, beginToken: 3, endTokens: [1], padToken: 0,
} as const;
const none = { attentionBias: false, outputBias: false, mlpBias: false };

const gpt2 = { ...sizes, family: "gpt2", keyValueHeads: 4, headSize: 6, attentionBias: true, outputBias: true, mlpBias: true, tiedEmbeddings: true } as const;

/** Every family, head, and kind of embedding and bias that Trueline writes. */
const cases: readonly (readonly [string, ModelConfiguration, Head])[] = [
  ["llama-language", { ...sizes, ...none, family: "llama", tiedEmbeddings: false }, "language"],
  ["llama-biased-tied", { ...sizes, family: "llama", attentionBias: true, outputBias: true, mlpBias: true, tiedEmbeddings: true }, "language"],
  ["qwen2-tied", { ...sizes, ...none, family: "qwen2", attentionBias: true, tiedEmbeddings: true }, "language"],
  ["mistral-two-ends", { ...sizes, ...none, family: "mistral", tiedEmbeddings: false, endTokens: [1, 5] }, "language"],
  ["llama3-scaled", { ...sizes, ...none, family: "llama", tiedEmbeddings: false, ropeScaling: { kind: "llama3", factor: 4, lowFrequency: 1, highFrequency: 3, originalContext: 16 } }, "language"],
  ["llama-yarn", { ...sizes, ...none, family: "llama", tiedEmbeddings: false, ropeScaling: { kind: "yarn", factor: 4, originalContext: 8, betaFast: 32, betaSlow: 1, truncate: true, attentionFactor: 1.14 } }, "language"],
  ["mistral-window", { ...sizes, ...none, family: "mistral", tiedEmbeddings: false, window: { tokens: 3, layers: [0, 1] } }, "language"],
  ["qwen2-window", { ...sizes, ...none, family: "qwen2", attentionBias: true, tiedEmbeddings: false, window: { tokens: 3, layers: [1] } }, "language"],
  ["qwen3", { ...sizes, ...none, family: "qwen3", tiedEmbeddings: true }, "language"],
  ["qwen3-score", { ...sizes, ...none, family: "qwen3", tiedEmbeddings: true }, "score"],
  ["qwen3-value", { ...sizes, ...none, family: "qwen3", tiedEmbeddings: false }, "value"],
  ["gpt2", gpt2, "language"],
  ["gpt2-score", gpt2, "score"],
  ["gpt2-value", gpt2, "value"],
  ["llama-score-tied", { ...sizes, ...none, family: "llama", tiedEmbeddings: true }, "score"],
  ["llama-score-untied", { ...sizes, ...none, family: "llama", tiedEmbeddings: false }, "score"],
  ["qwen2-score", { ...sizes, ...none, family: "qwen2", attentionBias: true, tiedEmbeddings: true }, "score"],
  ["mistral-score", { ...sizes, ...none, family: "mistral", tiedEmbeddings: true }, "score"],
  ["llama-value", { ...sizes, ...none, family: "llama", tiedEmbeddings: true }, "value"],
  ["qwen2-value", { ...sizes, ...none, family: "qwen2", attentionBias: true, tiedEmbeddings: false }, "value"],
  ["mistral-value", { ...sizes, ...none, family: "mistral", tiedEmbeddings: false }, "value"],
];

/** Weights far from where they begin: with those, every answer is nearly the same and proves nothing. */
const trainedTensors = (configuration: ModelConfiguration, head: Head, seed: number) =>
  new Map([...parameterShapes(configuration, head)].map(([name, shape]) => {
    const random = randomAt(seed, name);
    const mean = /(norm|ln_.)\.weight$/.test(name) ? 1 : 0;
    return [name, { shape, data: Float32Array.from({ length: sizeOf(shape) }, () => mean + 0.3 * random.normal()) }];
  }));

const rows = [[3, 7, 12, 40, 2, 1], [9, 8], [22, 5, 5, 17, 30, 31, 32, 33, 1]];
const numbers = z.array(z.number()).optional();
const loaded = z.record(z.string(), z.object({
  architecture: z.string(), loading: z.record(z.string(), z.array(z.string())), parameters: z.number(),
  logProbabilities: numbers, scores: numbers, values: numbers,
}));

describe.skipIf(python === undefined)(`model directories beside transformers${needsPython}`, () => {
  let root: string;
  let backends: readonly Backend[];
  let described: z.output<typeof loaded>;
  const directoryOf = (name: string) => join(root, "ours", name);
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "trueline-peers-"));
    backends = [createReferenceBackend(), await startOnnxBackend({ threads: 1 })];
    for (const [seed, [name, configuration, head]] of cases.entries()) {
      await mkdir(directoryOf(name), { recursive: true });
      await initializeModel(directoryOf(name), configuration, seed, head);
      await writeSafetensors(join(directoryOf(name), "model.safetensors"), trainedTensors(configuration, head, seed));
    }
    await writeFile(join(root, "rows.json"), JSON.stringify(rows));
    described = loaded.parse(JSON.parse(await runScript("load_models.py", join(root, "rows.json"), ...cases.map(([name]) => directoryOf(name)))));
    await runScript("model_fixtures.py", root);
  });
  afterAll(async () => {
    await Promise.all(backends.map((backend) => backend.close()));
    await rm(root, { recursive: true, force: true });
  });

  describe.each(cases)("%s, written by Trueline", (name, configuration, head) => {
    it("loads without a missing, unexpected or misshapen tensor", () => {
      const { loading, parameters } = described[directoryOf(name)]!;
      // transformers' reward models have no LM head; Trueline's keep theirs beside the score head
      const beside = head === "score" && !configuration.tiedEmbeddings ? ["lm_head.weight"] : [];
      expect(loading).toEqual(beside.length > 0 ? { unexpected_keys: beside } : {});
      expect(parameters).toBe(parameterCount(configuration, head) - beside.length * configuration.vocabulary * configuration.hidden);
    });

    it("gives the same log-probabilities, scores and values", async () => {
      for (const backend of backends) await expectSameQuantities(backend, directoryOf(name), { rows, ...described[directoryOf(name)]! });
    });

    it("comes back through transformers unchanged", async () => {
      for (const backend of backends) await expectSameQuantities(backend, join(directoryOf(name), "again"), { rows, ...described[directoryOf(name)]! });
    });
  });

  it("reads what transformers writes: shards, half precisions, every head", async () => {
    const facts = readModelFacts(root);
    expect(facts.size).toBeGreaterThan(0);
    for (const backend of backends) {
      for (const [name, fact] of facts) await expectSameQuantities(backend, join(root, name), fact);
    }
  });
});
