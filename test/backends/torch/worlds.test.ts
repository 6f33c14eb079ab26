import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import type { Backend, Head, StepRequest } from "../../../backends/backend.js";
import { constant, logProbabilities, negate, square, subtract, values } from "../../../backends/expressions.js";
import { startOnnxBackend } from "../../../backends/onnx/index.js";
import { startTorchBackend, type TorchBackendOptions } from "../../../backends/torch/index.js";
import { biased, expectAllClose, randomBatch, writeModel } from "../contract/support.js";
import { readSafetensors } from "../../../models/safetensors.js";
import { describeWithPython } from "./python.js";

const terms = { language: negate(logProbabilities), value: square(subtract(values, constant(1))) };
type Trained = keyof typeof terms;
const stepOf = (head: Trained): StepRequest => ({
  parts: [{ batch: randomBatch([7, 4, 11, 5]), arrays: {}, loss: [terms[head]], statistics: {} }],
  optimizer: { learningRate: 1e-2, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, maxGradientNorm: 1 },
});
const names = ["config.json", "model.safetensors", "optimizer.safetensors"];
const heads: readonly Trained[] = ["language", "value"];

let home: string;
/** What two processes left after two updates, by head, and what they left after two more. */
const saved = new Map<Trained, string>();
const continued = new Map<Trained, string>();
const losses = new Map<Trained, readonly number[]>();

const filesOf = (directory: string) => Promise.all(names.map((name) => readFile(join(directory, name))));

async function save(backend: Backend, model: string): Promise<string> {
  const directory = await mkdtemp(join(home, "saved-"));
  await backend.save(model, directory, { optimizer: true });
  return directory;
}

async function twoSteps(backend: Backend, head: Trained): Promise<number[]> {
  const found: number[] = [];
  for (let step = 0; step < 2; step++) found.push((await backend.step(head, stepOf(head))).losses[0]!);
  return found;
}

const torch = async (options: TorchBackendOptions): Promise<Backend> => {
  const backend = await startTorchBackend({ device: "cpu", threads: 2, ...options });
  onTestFinished(() => backend.close());
  return backend;
};

const resume = (backend: Backend, head: Head, directory: string) =>
  backend.load({ model: head, directory, head, trainable: true, optimizer: true });

describeWithPython("a checkpoint of two processes", () => {
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "trueline-worlds-"));
    const backend = await startTorchBackend({ processes: 2, threads: 2, device: "cpu" });
    for (const head of heads) {
      const directory = join(home, head);
      await mkdir(directory);
      await writeModel(directory, head, biased);
      await backend.load({ model: head, directory, head, trainable: true });
      await twoSteps(backend, head);
      saved.set(head, await save(backend, head));
      losses.set(head, await twoSteps(backend, head));
      continued.set(head, await save(backend, head));
    }
    await backend.close();
  });
  afterAll(() => rm(home, { recursive: true }));

  const worlds: readonly (readonly [string, TorchBackendOptions])[] = [
    ["one process", { processes: 1 }],
    ["four processes", { processes: 4 }],
    ["one process that keeps weights on the host and computes layers twice", { processes: 1, offload: true, activationCheckpointing: true }],
    ["two processes that compute in small pieces", { processes: 2, pieceTokens: 8, activationCheckpointing: true }],
  ];
  it.each(worlds)("resumes in %s: the same bytes, and the same steps from there", async (_, options) => {
    const backend = await torch(options);
    for (const head of heads) {
      await resume(backend, head, saved.get(head)!);
      expect(await filesOf(await save(backend, head))).toEqual(await filesOf(saved.get(head)!));
      expectAllClose(await twoSteps(backend, head), losses.get(head)!, 1e-5, "losses");
      await expectSameState(await save(backend, head), continued.get(head)!);
    }
  });

  it("resumes on the embedded backend, and comes back from it", async () => {
    const embedded = await startOnnxBackend({ threads: 1 });
    onTestFinished(() => embedded.close());
    const backend = await torch({ processes: 2 });
    for (const head of heads) {
      await resume(embedded, head, saved.get(head)!);
      const there = await save(embedded, head);
      expect((await filesOf(there)).slice(1)).toEqual((await filesOf(saved.get(head)!)).slice(1));
      await resume(backend, head, there);
      expect((await filesOf(await save(backend, head))).slice(1)).toEqual((await filesOf(saved.get(head)!)).slice(1));
      expectAllClose(await twoSteps(embedded, head), losses.get(head)!, 1e-5, "losses");
      await expectSameState(await save(embedded, head), continued.get(head)!);
    }
  });

  it("holds float32 weights of which bfloat16 is computed", async () => {
    const backend = await torch({ processes: 2, dtype: "bfloat16" });
    for (const head of heads) {
      await resume(backend, head, saved.get(head)!);
      expect(await filesOf(await save(backend, head))).toEqual(await filesOf(saved.get(head)!));
      const found = await twoSteps(backend, head);
      // bfloat16 has 8 bits, and these weights are wild
      expectAllClose(found, losses.get(head)!, 0.1, "losses");
      expect(found).not.toEqual(losses.get(head));
    }
  });
});

/** Weights and moments are the same but for rounding. */
async function expectSameState(found: string, wanted: string): Promise<void> {
  for (const name of names.slice(1)) {
    const [actual, expected] = await Promise.all([found, wanted].map((directory) => readSafetensors(join(directory, name))));
    expect(actual!.metadata).toEqual(expected!.metadata);
    for (const [tensor, { data }] of expected!.tensors) expectAllClose(actual!.tensors.get(tensor)!.data, data, 1e-5, tensor);
  }
}
