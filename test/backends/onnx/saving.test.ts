import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend, Head, LoadRequest, StepRequest } from "../../../backends/backend.js";
import { type Expression, constant, logProbabilities, negate, scores, square, subtract, values } from "../../../backends/expressions.js";
import { createOnnxBackend } from "../../../backends/onnx/embedded.js";
import { initializeModel } from "../../../models/initialize.js";
import { readSafetensors } from "../../../models/safetensors.js";
import { randomBatch, tiny } from "./tiny.js";

let home: string;
let backend: Backend;
let directories = 0;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "trueline-saving-"));
  backend = await createOnnxBackend({ threads: 1, executionProviders: [] });
});
afterAll(async () => {
  await backend.close();
  await rm(home, { recursive: true });
});

async function emptyDirectory(): Promise<string> {
  const directory = join(home, String(directories++));
  await mkdir(directory);
  return directory;
}

async function newModel(head: Head): Promise<string> {
  const directory = await emptyDirectory();
  await initializeModel(directory, { ...tiny, tiedEmbeddings: false }, 1, head);
  return directory;
}

async function saved(model: string, optimizer = true): Promise<string> {
  const directory = await emptyDirectory();
  await backend.save(model, directory, { optimizer });
  return directory;
}

const load = (model: string, directory: string, head: Head, more: Partial<LoadRequest> = {}) =>
  backend.load({ model, directory, head, trainable: true, ...more });

const batch = randomBatch([6, 4]);
const terms: Readonly<Record<Head, Expression>> = {
  language: negate(logProbabilities),
  score: square(scores),
  value: square(subtract(values, constant(1))),
};
const stepOf = (head: Head): StepRequest => ({
  parts: [{ batch, arrays: {}, loss: [terms[head]], statistics: {} }],
  optimizer: { learningRate: 1e-2, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1, maxGradientNorm: 1 },
});

const files = ["config.json", "model.safetensors", "optimizer.safetensors"];
const bytesOf = (directory: string, names = files) => Promise.all(names.map((name) => readFile(join(directory, name))));

describe("saving", () => {
  it.each<Head>(["language", "score", "value"])("and loading changes no byte: %s head", async (head) => {
    await load("model", await newModel(head), head);
    await backend.step("model", stepOf(head));
    const first = await saved("model");
    await load("model", first, head, { optimizer: true });
    expect(await bytesOf(await saved("model"))).toEqual(await bytesOf(first));
  });

  it.each<Head>(["language", "value"])("with the optimizer's state makes the next steps those of an uninterrupted run: %s head", async (head) => {
    await load("model", await newModel(head), head);
    for (let step = 0; step < 3; step++) await backend.step("model", stepOf(head));
    const middle = await saved("model");
    for (let step = 0; step < 2; step++) await backend.step("model", stepOf(head));
    const uninterrupted = await saved("model");

    await load("resumed", middle, head, { optimizer: true });
    for (let step = 0; step < 2; step++) await backend.step("resumed", stepOf(head));
    expect(await bytesOf(await saved("resumed"))).toEqual(await bytesOf(uninterrupted));

    await load("afresh", middle, head);
    for (let step = 0; step < 2; step++) await backend.step("afresh", stepOf(head));
    expect(await bytesOf(await saved("afresh"), ["model.safetensors"])).not.toEqual(await bytesOf(uninterrupted, ["model.safetensors"]));
  });

  it("writes no optimizer's state of a model that was loaded for reading", async () => {
    await load("model", await newModel("language"), "language", { trainable: false });
    await expect(saved("model")).rejects.toMatchObject({ code: "TL_BACKEND_NOT_TRAINABLE" });
    await expect(saved("model", false)).resolves.toBeTypeOf("string");
  });
});

describe("loading", () => {
  it("folds a reward model's normalisation into a value head", async () => {
    const reward = await newModel("score");
    await load("reward", reward, "score", { trainable: false });
    const { headIsNew } = await load("critic", reward, "value", { newHead: { init: "fromScore", mean: 0.3, std: 2 } });
    expect(headIsNew).toBe(true);
    const sequences = [Int32Array.of(1, 2, 3, 4), Int32Array.of(7, 8)];
    const { scores: raw } = await backend.forward("reward", { batch: { sequences, targets: [Int32Array.of(), Int32Array.of()] }, quantities: ["scores"] });
    // the value before a target is that of the state after the token in front of it
    const longer = sequences.map((sequence) => Int32Array.of(...sequence, 0));
    const targets = sequences.map(({ length }) => Int32Array.of(length));
    const { values: folded } = await backend.forward("critic", { batch: { sequences: longer, targets }, quantities: ["values"] });
    raw!.forEach((score, row) => expect(folded![row]).toBeCloseTo((score - 0.3) / 2, 5));
  });

  it("says which tensor does not fit, and does not lose the model that had the name", async () => {
    const good = await newModel("language");
    await load("model", good, "language");
    const bad = await newModel("language");
    const config = JSON.parse(await readFile(join(bad, "config.json"), "utf8"));
    await writeFile(join(bad, "config.json"), JSON.stringify({ ...config, vocab_size: 24 }));
    await expect(load("model", bad, "language")).rejects.toMatchObject({ code: "TL_MODEL_TENSORS", message: expect.stringContaining("embed_tokens") });
    await expect(backend.step("model", stepOf("language"))).resolves.toBeDefined();
  });

  it("asks for optimizer state that is there", async () => {
    await expect(load("model", await newModel("language"), "language", { optimizer: true }))
      .rejects.toMatchObject({ code: "TL_BACKEND_OPTIMIZER_MISSING" });
  });

  it("keeps files in the layout of Hugging Face", async () => {
    await load("model", await newModel("language"), "language");
    const directory = await saved("model", false);
    const { tensors } = await readSafetensors(join(directory, "model.safetensors"));
    expect(tensors.get("model.layers.0.mlp.down_proj.weight")?.shape).toEqual([10, 14]);
    expect(tensors.get("lm_head.weight")?.shape).toEqual([23, 10]);
  });
});
