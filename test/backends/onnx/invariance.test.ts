import { describe, expect, it } from "vitest";
import type { Batch, StepPart } from "../../../backends/backend.js";
import { add, constant, entropy, logProbabilities, multiply, perRow, perToken, scores, square, values } from "../../../backends/expressions.js";
import type { OnnxModel } from "../../../backends/onnx/model.js";
import { randomArray, randomBatch, targetCount, tinyModel } from "./tiny.js";

const batch = randomBatch([4, 16, 1, 9, 9, 2]);

/** One row of a batch by itself. */
const rowOf = ({ sequences, targets }: Batch, row: number): Batch => ({ sequences: [sequences[row]!], targets: [targets[row]!] });

const gradientsOf = (model: OnnxModel): Map<string, Float32Array> =>
  new Map([...model.weights.parameters.keys()].map((name) => [name, model.weights.view(name, "gradients").slice()]));

function expectClose(found: Float32Array, expected: ArrayLike<number>, tolerance: number): void {
  expect(found.length).toBe(expected.length);
  const scale = Math.max(1e-3, ...Array.from(expected, Math.abs));
  found.forEach((value, index) => expect(Math.abs(value - expected[index]!)).toBeLessThan(tolerance * scale));
}

const join = (parts: readonly Float32Array[]): number[] => parts.flatMap((part) => [...part]);

describe("a batch", () => {
  it.each(["language", "score", "value"] as const)("gives each row what the row gives alone (%s)", async (head) => {
    const model = tinyModel(head);
    const quantities = ({ language: ["logProbabilities", "entropy"], score: ["scores", "logProbabilities"], value: ["values"] } as const)[head];
    const together = await model.forward({ batch, quantities });
    const alone = await Promise.all(batch.sequences.map((_, row) => model.forward({ batch: rowOf(batch, row), quantities })));
    for (const name of quantities) expectClose(together[name]!, join(alone.map((result) => result[name]!)), 1e-5);
    await model.release();
  });

  it("has the gradients of its rows summed", async () => {
    const model = tinyModel("score");
    const loss = [multiply(perRow("a"), square(scores)), multiply(perToken("b"), logProbabilities)];
    const a = randomArray(6, 1);
    const b = randomArray(targetCount(batch), 2);
    const whole = await model.step({ parts: [{ batch, arrays: { a, b }, loss, statistics: {} }] });
    const together = gradientsOf(model);
    let at = 0;
    const parts = batch.sequences.map((_, row): StepPart => {
      const count = batch.targets[row]!.length;
      const arrays = { a: a.subarray(row, row + 1), b: b.subarray(at, at += count) };
      return { batch: rowOf(batch, row), arrays, loss, statistics: {} };
    });
    const apart = await model.step({ parts });
    gradientsOf(model).forEach((gradient, name) => expectClose(gradient, together.get(name)!, 2e-5));
    expect(apart.losses.reduce((sum, value) => sum + value, 0)).toBeCloseTo(whole.losses[0]!, 5);
    await model.release();
  });

  it("computed in pieces gives the same quantities, loss, statistics and gradients", async () => {
    const part: StepPart = {
      batch, arrays: { weight: randomArray(targetCount(batch), 4) },
      loss: [multiply(perToken("weight"), add(logProbabilities, multiply(constant(0.1), entropy)))],
      statistics: { entropy: [entropy] },
    };
    const whole = tinyModel("language");
    const pieces = tinyModel("language", {}, 1);
    const expected = await whole.step({ parts: [part] });
    const found = await pieces.step({ parts: [part] });
    expect(found.losses[0]).toBeCloseTo(expected.losses[0]!, 5);
    expect(found.statistics[0]!.entropy).toBeCloseTo(expected.statistics[0]!.entropy!, 4);
    expect(found.gradientNorm / expected.gradientNorm).toBeCloseTo(1, 5);
    const gradients = gradientsOf(whole);
    gradientsOf(pieces).forEach((gradient, name) => expectClose(gradient, gradients.get(name)!, 2e-5));
    const request = { batch, quantities: ["logProbabilities", "features"] } as const;
    const [inPieces, atOnce] = [await pieces.forward(request), await whole.forward(request)];
    for (const name of request.quantities) expectClose(inPieces[name]!, atOnce[name]!, 1e-5);
    await Promise.all([whole.release(), pieces.release()]);
  });

  it("computed twice gives the same bits", async () => {
    const part = { batch, arrays: {}, loss: [logProbabilities, entropy], statistics: {} };
    const optimizer = { learningRate: 1e-2, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, maxGradientNorm: 1 };
    const train = async (): Promise<Map<string, Float32Array>> => {
      const model = tinyModel("language");
      for (let step = 0; step < 3; step++) await model.step({ parts: [part, part], optimizer });
      await model.release();
      return new Map([...model.weights.export()].map(([name, { data }]) => [name, data]));
    };
    const [first, second] = [await train(), await train()];
    first.forEach((data, name) => expect(second.get(name)).toEqual(data));
  });

  it("without any target has a loss of zero and no gradient", async () => {
    const model = tinyModel("language");
    const empty = { sequences: batch.sequences, targets: batch.sequences.map(() => new Int32Array()) };
    const found = await model.step({ parts: [{ batch: empty, arrays: {}, loss: [logProbabilities], statistics: { sum: [entropy] } }] });
    expect(found).toMatchObject({ losses: [0], statistics: [{ sum: 0 }], gradientNorm: 0 });
    expect((await model.forward({ batch: empty, quantities: ["entropy"] })).entropy).toHaveLength(0);
    await model.release();
  });

  it("shares one graph among losses that differ in their numbers only", async () => {
    const model = tinyModel("value");
    const lossOf = async (factor: number): Promise<number> =>
      (await model.step({ parts: [{ batch, arrays: {}, loss: [multiply(constant(factor), values)], statistics: {} }] })).losses[0]!;
    const once = await lossOf(1);
    const begun = performance.now();
    expect(await lossOf(2.5)).toBeCloseTo(2.5 * once, 4);
    expect(performance.now() - begun).toBeLessThan(1000);
    await model.release();
  });

  it("at a temperature has the log-probabilities of the divided logits", async () => {
    const model = tinyModel("language", { tiedEmbeddings: false });
    const hot = (await model.forward({ batch, quantities: ["logProbabilities"], temperature: 2 })).logProbabilities!;
    model.weights.view("lm_head.weight").forEach((value, index, all) => (all[index] = value / 2));
    expectClose(hot, (await model.forward({ batch, quantities: ["logProbabilities"] })).logProbabilities!, 1e-5);
    await model.release();
  });
});
