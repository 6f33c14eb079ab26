import { describe, expect, it } from "vitest";
import { randomAt } from "../../../foundation/random.js";
import type { Head, ModelConfiguration } from "../../../models/configuration.js";
import type { StepPart } from "../../../backends/backend.js";
import {
  type Expression, absolute, add, clip, constant, divide, entropy, exp, greater, log, logProbabilities, logSigmoid, maximum, minimum,
  multiply, negate, perRow, perToken, scores, square, stopGradient, subtract, take, values,
} from "../../../backends/expressions.js";
import { families } from "../families.js";
import { randomArray, randomBatch, targetCount, tinyModel } from "./tiny.js";

const batch = randomBatch([7, 3, 5]);
const given = { weight: randomArray(targetCount(batch), 2), rowWeight: randomArray(3, 3), other: Float32Array.of(2, 2, 0) };

/** Compares the gradient in every parameter with the loss's change along a random direction of that parameter. */
async function expectTrueGradients(loss: readonly Expression[], head: Head, change: Partial<ModelConfiguration> = {}): Promise<void> {
  const model = tinyModel(head, change);
  const part: StepPart = { batch, arrays: given, loss, statistics: {}, temperature: 0.8 };
  const lossNow = async (): Promise<number> => (await model.step({ parts: [part] })).losses[0]!;
  const found = await model.step({ parts: [part], normsByParameter: true });
  expect(found.gradientNorm).toBeGreaterThan(0.01);
  for (const [name, { size }] of model.weights.parameters) {
    const random = randomAt(5, name);
    const direction = Float32Array.from({ length: size }, () => random.normal() / Math.sqrt(size));
    await model.step({ parts: [part] });
    const gradient = found.normsByParameter![name] === 0 ? new Float32Array(size) : model.weights.view(name, "gradients").slice();
    const slope = gradient.reduce((sum, value, index) => sum + value * direction[index]!, 0);
    const weights = model.weights.view(name);
    const start = weights.slice();
    const width = 1e-2;
    const moved = async (by: number): Promise<number> => {
      start.forEach((value, index) => (weights[index] = value + by * direction[index]!));
      return lossNow();
    };
    const measured = (8 * (await moved(width) - await moved(-width)) - (await moved(2 * width) - await moved(-2 * width))) / (12 * width);
    weights.set(start);
    expect(Math.abs(slope - measured), `${name}: ${slope} against ${measured}`).toBeLessThan(2e-3 * (1 + Math.abs(measured)));
  }
  await model.release();
}

const weighted = (of: Expression): Expression => multiply(perToken("weight"), of);

describe("gradients agree with finite differences", () => {
  it.each<[string, Partial<ModelConfiguration>]>([
    ["grouped queries, tied embeddings", {}],
    ["a head for each query, LM head of its own", { keyValueHeads: 4, tiedEmbeddings: false }],
    ["biases everywhere", { attentionBias: true, outputBias: true, mlpBias: true }],
    ["one layer", { layers: 1 }],
    ...Object.entries(families).map(([name, change]): [string, Partial<ModelConfiguration>] => [name, { hidden: 12, ...change }]),
  ])("through the decoder: %s", async (_, change) => {
    await expectTrueGradients([weighted(logProbabilities), multiply(constant(0.3), entropy)], "language", change);
  });

  it("through the score head", async () => {
    await expectTrueGradients([multiply(perRow("rowWeight"), scores)], "score");
  });

  it("through score and LM head at once", async () => {
    await expectTrueGradients([multiply(perRow("rowWeight"), scores), weighted(logProbabilities)], "score", { tiedEmbeddings: false });
  });

  it("through the value head and its bias", async () => {
    await expectTrueGradients([square(subtract(values, perToken("weight")))], "value");
  });

  it("through entropy alone", async () => {
    await expectTrueGradients([weighted(entropy)], "language");
  });

  const ratio = exp(subtract(logProbabilities, stopGradient(logProbabilities)));
  const operations: Readonly<Record<string, Expression>> = {
    add: square(add(values, perToken("weight"))),
    "multiply, by itself": multiply(values, multiply(values, values)),
    "divide, both sides": divide(subtract(values, constant(1)), add(square(values), constant(1))),
    negate: negate(square(values)),
    exp: exp(values),
    log: log(add(square(values), constant(0.5))),
    absolute: weighted(absolute(values)),
    logSigmoid: logSigmoid(multiply(constant(3), values)),
    clip: weighted(clip(values, -1, 0.6)),
    maximum: weighted(maximum(values, multiply(perToken("weight"), constant(0.5)))),
    minimum: weighted(minimum(square(values), values)),
    greater: multiply(greater(values, perToken("weight")), values),
  };
  it.each(Object.entries(operations))("through %s", async (_, expression) => {
    await expectTrueGradients([expression], "value");
  });

  it("through take, a row picked twice", async () => {
    await expectTrueGradients([logSigmoid(subtract(scores, take(scores, "other"))), multiply(perRow("rowWeight"), take(square(scores), "other"))], "score");
  });

  it("not through stopGradient", async () => {
    const model = tinyModel("language");
    const part = { batch, arrays: given, statistics: { plain: [weighted(logProbabilities)] } };
    const stopped = await model.step({ parts: [{ ...part, loss: [weighted(ratio)] }] });
    const gradient = model.weights.view("model.norm.weight", "gradients").slice();
    const plain = await model.step({ parts: [{ ...part, loss: [weighted(logProbabilities)] }] });
    expect(stopped.gradientNorm / plain.gradientNorm).toBeCloseTo(1, 5);
    model.weights.view("model.norm.weight", "gradients").forEach((value, index) => expect(value).toBeCloseTo(gradient[index]!, 5));
    await model.release();
  });
});
