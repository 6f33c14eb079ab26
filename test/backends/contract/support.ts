import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import type { Backend, Batch, Head, LoadRequest } from "../../../backends/backend.js";
import { type ErrorCode, TruelineError } from "../../../foundation/errors.js";
import { randomAt } from "../../../foundation/random.js";
import { type ModelConfiguration, writeConfiguration } from "../../../models/configuration.js";
import { parameterShapes, sizeOf } from "../../../models/parameters.js";
import { writeSafetensors } from "../../../models/safetensors.js";

/** A backend under contract: how it starts, and how far from the truth rounding may take it. */
export interface Candidate {
  readonly start: () => Promise<Backend>;
  /** Relative, for losses and gradient norms. */
  readonly lossTolerance: number;
  /** Relative, for the gradient's norm by parameter. */
  readonly normTolerance: number;
  /** For per-token quantities, absolute below 1 and relative above. */
  readonly tokenTolerance: number;
}

/** What the tests of a suite share. */
export interface Use extends Candidate {
  readonly backend: Backend;
  /** A temporary one. */
  readonly directory: string;
}

/** One backend and one temporary directory for all tests of a file. */
export function useBackend(candidate: Candidate): Use {
  const use: { backend?: Backend; directory?: string } = {};
  beforeAll(async () => {
    use.backend = await candidate.start();
    use.directory = await mkdtemp(join(tmpdir(), "trueline-contract-"));
  });
  afterAll(async () => {
    await use.backend?.close();
    if (use.directory !== undefined) await rm(use.directory, { recursive: true });
  });
  return { ...candidate, get backend() { return use.backend!; }, get directory() { return use.directory!; } };
}

/** Grouped queries, odd widths, heads wider than the stream, whose width transformers wants to be a multiple of their number. */
export const tiny: ModelConfiguration = {
  family: "llama", vocabulary: 23, hidden: 12, layers: 2, heads: 4, keyValueHeads: 2, headSize: 4, intermediate: 14,
  context: 24, ropeTheta: 10000, normEpsilon: 1e-5, tiedEmbeddings: true,
  attentionBias: false, outputBias: false, mlpBias: false, endTokens: [2],
};

export const biased: Partial<ModelConfiguration> = { tiedEmbeddings: false, attentionBias: true, outputBias: true, mlpBias: true };

/** Writes a model whose weights are large enough that every nonlinearity is felt. */
export async function writeModel(directory: string, head: Head, change: Partial<ModelConfiguration> = {}): Promise<void> {
  const configuration = { ...tiny, ...change };
  await writeConfiguration(directory, configuration, head);
  await writeSafetensors(join(directory, "model.safetensors"), [...parameterShapes(configuration, head)].map(([name, shape]) => {
    const random = randomAt(1, name);
    const around = /norm|ln_/.test(name) ? 1 : 0;
    return [name, { shape, data: Float32Array.from({ length: sizeOf(shape) }, () => around + 0.4 * random.normal()) }] as const;
  }));
}

/** Writes a model into a directory of its own and loads it, trainable. */
export async function loadTiny(
  { backend, directory }: Use, head: Head = "language",
  change: Partial<ModelConfiguration> = {}, request: Partial<LoadRequest> = {},
): Promise<string> {
  const own = await mkdtemp(join(directory, "model-"));
  await writeModel(own, head, change);
  await backend.load({ model: "tiny", directory: own, head, trainable: true, ...request });
  return own;
}

/** Rows of the given lengths; some of their tokens are targets, perhaps none. */
export function randomBatch(lengths: readonly number[], seed = 1): Batch {
  const random = randomAt(seed, "batch");
  const sequences = lengths.map((length) => Int32Array.from({ length }, () => random.integer(tiny.vocabulary)));
  const targets = sequences.map(({ length }) =>
    Int32Array.from({ length: length - 1 }, (_, index) => index + 1).filter(() => random.uniform() < 0.6));
  return { sequences, targets };
}

export const tokensOf = ({ targets }: Batch): number => targets.reduce((sum, { length }) => sum + length, 0);

export function randomArray(length: number, seed: number, spread = 1): Float32Array {
  const random = randomAt(seed, "array");
  return Float32Array.from({ length }, () => spread * random.normal());
}

/** Numbers agree within `tolerance` of `scale`: by default the expected number, or 1 where that is larger. */
export function expectClose(actual: number, expected: number, tolerance: number, what: string, scale = Math.max(1, Math.abs(expected))): void {
  const error = Math.abs(actual - expected);
  expect(error, `${what}: ${actual} for ${expected}`).toBeLessThanOrEqual(tolerance * scale);
}

export function expectAllClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  expect(actual.length, `length of ${what}`).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) expectClose(actual[i]!, expected[i]!, tolerance, `${what}[${i}]`);
}

/** Norms agree one by one, each within `tolerance` of itself or, where it is small, of a hundredth of the whole. */
export function expectNormsClose(
  actual: Readonly<Record<string, number>>, expected: Readonly<Record<string, number>>, tolerance: number,
): void {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  const floor = 1e-2 * Math.hypot(...Object.values(expected));
  for (const [name, norm] of Object.entries(expected)) expectClose(actual[name]!, norm, tolerance, name, Math.max(norm, floor));
}

/** The promise rejects with this code. */
export async function expectFailure(promise: Promise<unknown>, code: ErrorCode): Promise<TruelineError> {
  const error: unknown = await promise.then(() => undefined, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(TruelineError);
  if (!(error instanceof TruelineError)) throw error;
  expect(error.code, error.message).toBe(code);
  return error;
}
