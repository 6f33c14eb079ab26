import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import type { GenerateRequest } from "../../../backends/backend.js";
import { constant, logProbabilities, multiply } from "../../../backends/expressions.js";
import { startTorchBackend, type TorchBackend } from "../../../backends/torch/index.js";
import { findPython, packageFolder } from "../../../backends/torch/python.js";
import { randomAt } from "../../../foundation/random.js";
import { initializeModel } from "../../../models/initialize.js";
import { expectAllClose, expectFailure, tiny } from "../contract/support.js";
import { describeWithPython } from "./python.js";

const row = z.strictObject({
  max_tokens: z.number(), stop_token_ids: z.array(z.number()), ignore_eos: z.boolean(), detokenize: z.boolean(), temperature: z.number(),
  top_p: z.number(), top_k: z.number(), repetition_penalty: z.number(), seed: z.number().nullable(), logprobs: z.number().nullable(),
});
const form = z.object({
  engines: z.array(z.record(z.string(), z.unknown())), rows: z.array(row), unfiltered: row, seeds: z.array(z.string()),
  results: z.object({
    tokens: z.array(z.array(z.number())), lengths: z.array(z.number()), finished: z.array(z.number()), sampled: z.array(z.array(z.number())),
  }),
});

describeWithPython("what vLLM is asked", () => {
  let told: z.output<typeof form>;
  beforeAll(async () => {
    const script = fileURLToPath(new URL("vllm.py", import.meta.url));
    const { stdout } = await promisify(execFile)(await findPython(), [script], { env: { ...process.env, PYTHONPATH: packageFolder, PYTHONDONTWRITEBYTECODE: "1" } });
    told = form.parse(JSON.parse(stdout));
  });

  it("is an engine a process, which gives its memory back on GPUs and keeps no prefix", () => {
    const [one, four, host] = told.engines;
    expect(one).toMatchObject({ model: "policy", dtype: "float32", gpu_memory_utilization: 0.4, enable_sleep_mode: true, enable_prefix_caching: false, distributed_executor_backend: "uni" });
    expect(four).toMatchObject({ tensor_parallel_size: 1, distributed_executor_backend: "external_launcher" });
    expect(host).toMatchObject({ enable_sleep_mode: false, hf_overrides: { tie_word_embeddings: false } });
    expect(four).not.toHaveProperty("hf_overrides");
  });

  it("is each row with its filters, its end tokens, and a seed that follows from its uniforms", () => {
    const [first, second, greedy] = told.rows;
    expect(first).toMatchObject({ max_tokens: 2, stop_token_ids: [2, 7], ignore_eos: true, temperature: 0.8, top_p: 0.9, top_k: 5, repetition_penalty: 1.1, logprobs: 0 });
    const [seed, ofSecond, again, ofBoth] = told.seeds;
    expect([String(first!.seed), String(second!.seed)].map(Number)).toEqual([Number(seed), Number(ofSecond)]);
    expect(again).toBe(seed);
    expect(new Set(told.seeds).size).toBe(3);
    expect(BigInt(ofBoth!) < 2n ** 63n).toBe(true);
    expect(greedy).toMatchObject({ temperature: 0, seed: null, logprobs: null });
    expect(told.unfiltered.logprobs, "asked for under filters alone").toBeNull();
  });

  it("and what it answers is tokens, an end where one of the end tokens stands last, and log-probabilities under the filters", () => {
    expect(told.results).toMatchObject({ tokens: [[4, 6, 9], [0, 0, 0], [5, 7, 0]], lengths: [3, 0, 2], finished: [0, 0, 1], sampled: [[-0.5, -1.5, -2.5], [0, 0, 0], [0, 0, 0]] });
  });

  it("is refused at once by a Python without it, with what installs it", async () => {
    const error = await expectFailure(startTorchBackend({ python: await findPython(process.env["TRUELINE_PYTHON"]), device: "cpu", vllm: { memoryShare: 0.3 } }), "TL_BACKEND_PYTHON_MISSING");
    expect(error.message).toContain("has no vllm");
    expect(error.hint).toMatch(/pip install vllm==\d/);
  });
});

const vllmPython = process.env["TRUELINE_VLLM_PYTHON"];

/** With TRUELINE_VLLM_PYTHON, an interpreter that has vLLM: with a GPU, or with vLLM's build for processors. */
describe.skipIf(vllmPython === undefined)("vLLM in the backend's process", () => {
  let backend: TorchBackend;
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "trueline-vllm-"));
    await initializeModel(directory, { ...tiny, vocabulary: 101, hidden: 64, heads: 2, keyValueHeads: 1, headSize: 32, intermediate: 96, context: 128 }, 3);
    backend = await startTorchBackend({ python: vllmPython, threads: 2, vllm: { memoryShare: 0.1 } });
  });
  afterAll(async () => {
    await backend.close();
    await rm(directory, { recursive: true });
  });

  const prompts = [Int32Array.of(5, 9, 11), Int32Array.of(3), Int32Array.of(8, 8, 20, 41, 60, 77)];
  const request = (change: Partial<GenerateRequest> = {}): GenerateRequest => {
    const random = randomAt(1, "vllm");
    return { prompts, maxNewTokens: 12, temperature: 1, endTokens: [2], uniforms: Float32Array.from({ length: 36 }, () => random.uniform()), ...change };
  };

  it("answers as asked, the same to the same question, with the model's own log-probabilities", async () => {
    await backend.load({ model: "policy", directory, head: "language", trainable: true });
    const first = await backend.generate("policy", request());
    expect(await backend.generate("policy", request())).toEqual(first);
    expect(await backend.generate("policy", request({ uniforms: new Float32Array(36).fill(0.5) }))).not.toEqual(first);
    const batch = {
      sequences: prompts.map((prompt, index) => Int32Array.from([...prompt, ...first.tokens[index]!])),
      targets: prompts.map((prompt, index) => Int32Array.from(first.tokens[index]!, (_, token) => prompt.length + token)),
    };
    const { logProbabilities: own } = await backend.forward("policy", { batch, quantities: ["logProbabilities"] });
    expect(first.logProbabilities.flatMap((each) => [...each])).toEqual([...own!]);
    const filtered = await backend.generate("policy", request({ topK: 1 }));
    expect(filtered.sampledLogProbabilities!.flatMap((each) => [...each]).every((value) => Math.abs(value) < 1e-6)).toBe(true);
  });

  it("takes the weights as training leaves them, adapters folded in", async () => {
    const plain = await startTorchBackend({ python: vllmPython, threads: 2 });
    try {
      const greedy = request({ temperature: 0 });
      const train = { parts: [{ batch: { sequences: [Int32Array.of(5, 9, 11, 40, 41)], targets: [Int32Array.of(3, 4)] }, arrays: {}, statistics: {}, loss: [multiply(constant(-1), logProbabilities)] }] };
      const optimizer = { learningRate: 0.03, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0 };
      const before = (await backend.generate("policy", greedy)).tokens;
      for (const adapter of [undefined, { rank: 4, alpha: 8, targets: "all-linear", seed: 1 }] as const) {
        const answers = [];
        for (const each of [plain, backend]) {
          await each.load({ model: "policy", directory, head: "language", trainable: true, adapter });
          for (let step = 0; step < 4; step++) await each.step("policy", { ...train, optimizer });
          answers.push(await each.generate("policy", greedy));
        }
        const [expected, found] = answers;
        expect(found!.tokens).toEqual(expected!.tokens);
        expect(found!.tokens, "training has changed what is likely").not.toEqual(before);
        found!.logProbabilities.forEach((values, index) => expectAllClose(values, expected!.logProbabilities[index]!, 1e-5, `row ${index}`));
      }
    } finally {
      await plain.close();
    }
  });
});
