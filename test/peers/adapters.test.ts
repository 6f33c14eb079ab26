import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, it } from "vitest";
import { z } from "zod";
import type { Backend, StepPart } from "../../backends/backend.js";
import { logProbabilities, negate, scores, square, values, type Expression } from "../../backends/expressions.js";
import { startOnnxBackend } from "../../backends/onnx/index.js";
import { createReferenceBackend } from "../../backends/reference/index.js";
import type { Head, ModelConfiguration } from "../../models/configuration.js";
import { initializeModel } from "../../models/initialize.js";
import { expectAllClose } from "../backends/contract/support.js";
import { needsPython, python, runScript } from "./python.js";

const sizes = { vocabulary: 41, hidden: 24, layers: 2, heads: 4, headSize: 6, context: 32, ropeTheta: 1e4, normEpsilon: 1e-5, beginToken: 3, endTokens: [1], padToken: 0 } as const;
const none = { attentionBias: false, outputBias: false, mlpBias: false };
const llama: ModelConfiguration = { ...sizes, ...none, family: "llama", keyValueHeads: 2, intermediate: 36, tiedEmbeddings: true };
const gpt2: ModelConfiguration = { ...sizes, family: "gpt2", keyValueHeads: 4, intermediate: 96, attentionBias: true, outputBias: true, mlpBias: true, tiedEmbeddings: true };

const cases: readonly (readonly [name: string, architecture: string, configuration: ModelConfiguration, head: Head, loss: Expression])[] = [
  ["llama-language", "LlamaForCausalLM", llama, "language", negate(logProbabilities)],
  ["llama-score", "LlamaForSequenceClassification", llama, "score", square(scores)],
  ["llama-value", "LlamaForTokenClassification", llama, "value", square(values)],
  ["gpt2-language", "GPT2LMHeadModel", gpt2, "language", negate(logProbabilities)],
];
const quantityOf = { language: "logProbabilities", score: "scores", value: "values" } as const;

const rows = [[3, 7, 12, 40, 2, 1], [9, 8], [22, 5, 5, 17, 30, 31, 32, 33, 1]];
const sequences = rows.map((row) => Int32Array.from(row));
const batch = { sequences, targets: sequences.map(({ length }) => Int32Array.from({ length: length - 1 }, (_, at) => at + 1)) };
const numbers = z.array(z.number()).optional();
const printed = z.record(z.string(), z.object({ logProbabilities: numbers, scores: numbers, values: numbers }));

describe.skipIf(python === undefined)(`adapters beside PEFT${needsPython}`, () => {
  let root: string;
  let backends: readonly Backend[];
  let described: z.output<typeof printed>;
  const adapterOf = (name: string, at: number) => join(root, `${name}-adapter-${at}`);
  const own = new Map<string, ArrayLike<number>>();

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "trueline-adapters-"));
    backends = [createReferenceBackend(), await startOnnxBackend({ threads: 1 })];
    const asked: string[] = [];
    for (const [name, architecture, configuration, head, loss] of cases) {
      const directory = join(root, name);
      await mkdir(directory);
      await initializeModel(directory, configuration, 7);
      for (const [at, backend] of backends.entries()) {
        await backend.load({ model: name, directory, head, newHead: { init: "normal", seed: 5 }, trainable: true, adapter: { rank: 3, alpha: 12, targets: "all-linear", seed: 2, base: directory } });
        const part: StepPart = { batch, arrays: {}, loss: [loss], statistics: {} };
        for (let step = 0; step < 5; step++) await backend.step(name, { parts: [part], optimizer: { learningRate: 0.05, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0 } });
        await mkdir(adapterOf(name, at));
        await backend.save(name, adapterOf(name, at), { optimizer: false });
        own.set(adapterOf(name, at), (await backend.forward(name, { batch, quantities: [quantityOf[head]] }))[quantityOf[head]]!);
        asked.push(architecture, directory, adapterOf(name, at));
      }
    }
    await writeFile(join(root, "rows.json"), JSON.stringify(rows));
    described = printed.parse(JSON.parse(await runScript("load_adapters.py", join(root, "rows.json"), ...asked)));
  });
  afterAll(async () => {
    await Promise.all(backends.map((backend) => backend.close()));
    await rm(root, { recursive: true, force: true });
  });

  it.each(cases)("%s, trained by Trueline, gives the same in PEFT", (name, _, __, head) => {
    for (const at of [0, 1]) expectAllClose(described[adapterOf(name, at)]![quantityOf[head]]!, own.get(adapterOf(name, at))!, 1e-4, name);
  });
});
