import { describe, expect, it } from "vitest";
import type { OptimizerSettings } from "../../../backends/backend.js";
import { constant, logProbabilities, multiply, scores } from "../../../backends/expressions.js";
import { Optimizer } from "../../../backends/onnx/optimizer.js";
import { WeightStore } from "../../../backends/onnx/weights.js";
import { randomBatch, tinyModel } from "./tiny.js";

const settings: OptimizerSettings = { learningRate: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.5 };
const embeddingName = "model.embed_tokens.weight";
const transposed = new Set(["matrix.weight"]);
const shapes = new Map([["matrix.weight", [2, 3]], ["norm.weight", [5]], [embeddingName, [4, 3]]]);

function storeOf(fill: number): WeightStore {
  const store = new WeightStore(shapes, { trainable: true, transposed });
  for (const name of shapes.keys()) store.view(name).fill(fill);
  return store;
}

describe("Optimizer", () => {
  it("makes AdamW's steps: bias corrected, decay on matrices only", () => {
    const store = storeOf(2);
    const optimizer = new Optimizer(store);
    const gradients = [0.3, -0.2];
    let [plain, decayed, first, second] = [2, 2, 0, 0];
    gradients.forEach((gradient, index) => {
      optimizer.clear();
      optimizer.add("matrix.weight", new Float32Array(6).fill(gradient));
      optimizer.add("norm.weight", new Float32Array(5).fill(gradient));
      optimizer.update(settings, 1);
      first = 0.9 * first + 0.1 * gradient;
      second = 0.99 * second + 0.01 * gradient ** 2;
      const move = 0.1 * (first / (1 - 0.9 ** (index + 1))) / (Math.sqrt(second / (1 - 0.99 ** (index + 1))) + 1e-8);
      plain -= move;
      decayed = decayed * (1 - 0.1 * 0.5) - move;
    });
    store.view("norm.weight").forEach((value) => expect(value).toBeCloseTo(plain, 6));
    store.view("matrix.weight").forEach((value) => expect(value).toBeCloseTo(decayed, 6));
    expect(optimizer.updates).toBe(2);
  });

  it("scales the gradient down to the maximum norm, never up", () => {
    const [clipped, whole] = [storeOf(0), storeOf(0)].map((store, index) => {
      const optimizer = new Optimizer(store);
      optimizer.add("norm.weight", Float32Array.of(3, 0, 4, 0, 0));
      optimizer.update({ ...settings, maxGradientNorm: index === 0 ? 1 : 50 }, optimizer.norms().global);
      return store.view("norm.weight", "firstMoments");
    });
    expect(clipped![0]).toBeCloseTo(0.1 * 3 / 5, 6);
    expect(whole![0]).toBeCloseTo(0.1 * 3, 6);
  });

  it("adds gradients up, and rows at their indices", () => {
    const store = storeOf(0);
    const optimizer = new Optimizer(store);
    optimizer.addRows(embeddingName, Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), Int32Array.of(3, 0, 3));
    expect([...store.view(embeddingName, "gradients")]).toEqual([4, 5, 6, 0, 0, 0, 0, 0, 0, 8, 10, 12]);
    optimizer.add(embeddingName, new Float32Array(12).fill(1));
    expect([...store.view(embeddingName, "gradients")]).toEqual([5, 6, 7, 1, 1, 1, 1, 1, 1, 9, 11, 13]);
    expect(optimizer.norms().global).toBeCloseTo(Math.hypot(5, 6, 7, 1, 1, 1, 1, 1, 1, 9, 11, 13), 5);
    optimizer.clear();
    optimizer.add(embeddingName, new Float32Array(12).fill(1));
    expect(optimizer.norms().byParameter).toEqual({ "matrix.weight": 0, "norm.weight": 0, [embeddingName]: Math.sqrt(12) });
    optimizer.clear();
    optimizer.addRows(embeddingName, Float32Array.of(1, 2, 3), Int32Array.of(1));
    expect([...store.view(embeddingName, "gradients")]).toEqual([0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0, 0]);
  });

  it("adds gradients larger than its scratch space", () => {
    const [width, count] = [1000, 700];
    const store = new WeightStore(new Map([[embeddingName, [count, width]]]), { trainable: true, transposed });
    const optimizer = new Optimizer(store);
    const rows = Float32Array.from({ length: width * count }, (_, index) => index % 1013);
    optimizer.addRows(embeddingName, rows, Int32Array.from({ length: count }, (_, row) => count - 1 - row));
    optimizer.add(embeddingName, rows);
    const wrong = store.view(embeddingName, "gradients").findIndex((value, index) => {
      const [row, column] = [Math.floor(index / width), index % width];
      return value !== rows[index]! + rows[(count - 1 - row) * width + column]!;
    });
    expect(wrong).toBe(-1);
  });

  it("leaves alone what has no gradient", () => {
    const store = storeOf(2);
    const optimizer = new Optimizer(store);
    optimizer.add("norm.weight", new Float32Array(5).fill(1));
    optimizer.update(settings, 1);
    expect([...store.view("matrix.weight")]).toEqual([2, 2, 2, 2, 2, 2]);
  });
});

describe("a step", () => {
  const batch = randomBatch([5, 8]);
  const part = { batch, arrays: {}, loss: [logProbabilities], statistics: {} };

  it("changes nothing without an optimizer, nor when the gradient is not finite", async () => {
    const model = tinyModel("language");
    const before = model.weights.export();
    const { version } = model.weights;
    await model.step({ parts: [part] });
    const broken = await model.step({ parts: [{ ...part, loss: [multiply(constant(Infinity), logProbabilities)] }], optimizer: settings });
    expect(broken.gradientNorm).toBeNaN();
    expect(model.weights.export()).toEqual(before);
    expect(model.weights.version).toBe(version);
    await model.release();
  });

  it("leaves the LM head beside a score head alone", async () => {
    const model = tinyModel("score", { tiedEmbeddings: false });
    const before = model.weights.view("lm_head.weight").slice();
    await model.step({ parts: [{ ...part, loss: [scores] }], optimizer: settings });
    expect(model.weights.view("lm_head.weight")).toEqual(before);
    expect(model.weights.view("model.norm.weight")[0]).not.toBe(1);
    await model.release();
  });

  it("continues from saved moments with the same bits", async () => {
    const straight = tinyModel("language");
    await straight.step({ parts: [part], optimizer: settings });
    const resumed = tinyModel("language");
    resumed.weights.load(straight.weights.export());
    resumed.loadOptimizerState(straight.optimizerState());
    await straight.step({ parts: [part], optimizer: settings });
    await resumed.step({ parts: [part], optimizer: settings });
    expect(resumed.weights.export()).toEqual(straight.weights.export());
    await Promise.all([straight.release(), resumed.release()]);
  });
});
