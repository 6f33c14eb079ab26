import { randomAt } from "../../../foundation/random.js";
import type { Head, ModelConfiguration } from "../../../models/configuration.js";
import { parameterShapes, sizeOf } from "../../../models/parameters.js";
import type { Batch } from "../../../backends/backend.js";
import { OnnxModel } from "../../../backends/onnx/model.js";

/** Grouped queries, odd widths, two layers: small, and nothing divides evenly by accident. */
export const tiny: ModelConfiguration = {
  family: "llama", vocabulary: 23, hidden: 10, layers: 2, heads: 4, keyValueHeads: 2, headSize: 4, intermediate: 14, context: 16,
  ropeTheta: 10000, normEpsilon: 1e-5, tiedEmbeddings: true, attentionBias: false, outputBias: false, mlpBias: false, endTokens: [],
};

/** A trainable model with weights large enough that every nonlinearity is felt. */
export function tinyModel(head: Head = "language", change: Partial<ModelConfiguration> = {}, activationFloats?: number): OnnxModel {
  const configuration = { ...tiny, ...change };
  const shapes = parameterShapes(configuration, head);
  const model = new OnnxModel({
    name: "tiny", configuration, head, shapes, trainable: true, settings: { threads: 1, executionProviders: [] }, activationFloats,
  });
  model.weights.load(new Map([...shapes].map(([name, shape]) => {
    const random = randomAt(1, name);
    const around = /norm|ln_/.test(name) ? 1 : 0;
    return [name, { shape, data: Float32Array.from({ length: sizeOf(shape) }, () => around + 0.3 * random.normal()) }] as const;
  })));
  return model;
}

/** Rows of the given lengths; about half of their tokens are targets. */
export function randomBatch(lengths: readonly number[], seed = 1): Batch {
  const random = randomAt(seed, "batch");
  const sequences = lengths.map((length) => Int32Array.from({ length }, () => random.integer(tiny.vocabulary)));
  const targets = sequences.map(({ length }) =>
    Int32Array.from(Array.from({ length: length - 1 }, (_, index) => index + 1).filter(() => random.uniform() < 0.6)));
  return { sequences, targets };
}

export function randomArray(length: number, seed: number): Float32Array {
  const random = randomAt(seed, "array");
  return Float32Array.from({ length }, () => random.normal());
}

export const targetCount = ({ targets }: Batch): number => targets.reduce((sum, { length }) => sum + length, 0);
