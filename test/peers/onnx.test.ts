import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import type { Backend } from "../../backends/backend.js";
import { addOnnx } from "../../backends/onnx/export.js";
import { startOnnxBackend } from "../../backends/onnx/index.js";
import { randomAt } from "../../foundation/random.js";
import { type ModelConfiguration, writeConfiguration } from "../../models/configuration.js";
import { parameterShapes, sizeOf } from "../../models/parameters.js";
import { writeSafetensors } from "../../models/safetensors.js";
import { transformersJs } from "./environment.js";
import { needsPython, python, runScript } from "./python.js";

const sizes = {
  vocabulary: 61, hidden: 24, layers: 2, heads: 4, keyValueHeads: 2, headSize: 8, intermediate: 36, context: 64,
  ropeTheta: 2e4, normEpsilon: 1e-5, beginToken: 3, endTokens: [1], padToken: 0, attentionBias: false, outputBias: false, mlpBias: false, tiedEmbeddings: true,
} as const;
const cases: Readonly<Record<string, ModelConfiguration>> = {
  llama: { ...sizes, family: "llama" },
  "llama-untied-scaled": { ...sizes, family: "llama", tiedEmbeddings: false, ropeScaling: { kind: "llama3", factor: 4, lowFrequency: 1, highFrequency: 3, originalContext: 16 } },
  "mistral-window": { ...sizes, family: "mistral", tiedEmbeddings: false, window: { tokens: 4, layers: [0, 1] } },
  qwen2: { ...sizes, family: "qwen2", attentionBias: true },
  qwen3: { ...sizes, family: "qwen3" },
  gpt2: { ...sizes, family: "gpt2", keyValueHeads: 4, headSize: 6, attentionBias: true, outputBias: true, mlpBias: true },
};
const prompt = [3, 7, 12, 40, 2, 55];
const continuations = z.record(z.string(), z.array(z.number()));

describe.skipIf(python === undefined)(`ONNX files that Trueline writes${needsPython}`, () => {
  let folder: string;
  let backend: Backend;
  let ours: Readonly<Record<string, readonly number[]>>;
  const directoryOf = (name: string) => join(folder, name);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "trueline-onnx-peers-"));
    backend = await startOnnxBackend({ threads: 1 });
    await writeFile(join(folder, "prompt.json"), JSON.stringify(prompt));
    const made = Object.entries(cases).map(async ([name, configuration]) => {
      const directory = directoryOf(name);
      await mkdir(directory);
      await writeConfiguration(directory, configuration, "language");
      await writeSafetensors(join(directory, "model.safetensors"), [...parameterShapes(configuration, "language")].map(([parameter, shape]) => {
        const random = randomAt(4, parameter);
        const mean = /(norm|ln_.)\.weight$/.test(parameter) ? 1 : 0;
        return [parameter, { shape, data: Float32Array.from({ length: sizeOf(shape) }, () => mean + 0.3 * random.normal()) }] as const;
      }));
      await addOnnx(directory);
    });
    await Promise.all(made);
    const greedy: Record<string, readonly number[]> = {};
    for (const name of Object.keys(cases)) {
      await backend.load({ model: name, directory: directoryOf(name), head: "language", trainable: false });
      const { tokens } = await backend.generate(name, { prompts: [Int32Array.from(prompt)], maxNewTokens: 12, temperature: 0, endTokens: [1], uniforms: new Float32Array() });
      greedy[directoryOf(name)] = [...tokens[0]!];
    }
    ours = greedy;
  }, 120_000);
  afterAll(async () => {
    await backend.close();
    await rm(folder, { recursive: true });
  });

  it("continue a prompt in onnxruntime-genai as they do here", async () => {
    const directories = Object.keys(cases).map(directoryOf);
    expect(continuations.parse(JSON.parse(await runScript("generate_genai.py", join(folder, "prompt.json"), ...directories)))).toEqual(ours);
  }, 120_000);

  it("continue a prompt in transformers.js as they do here", async () => {
    const script = fileURLToPath(new URL("generate.mjs", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [script, transformersJs(), join(folder, "prompt.json"), ...Object.keys(cases).map(directoryOf)]);
    expect(continuations.parse(JSON.parse(stdout))).toEqual(ours);
  }, 600_000);
});
