import { afterAll, describe, expect, it } from "vitest";
import { randomAt } from "../../../foundation/random.js";
import type { GenerateRequest, GenerateResult } from "../../../backends/backend.js";
import { Generator } from "../../../backends/onnx/generate.js";
import type { OnnxModel } from "../../../backends/onnx/model.js";
import type { ModelConfiguration } from "../../../models/configuration.js";
import { tiny, tinyModel } from "./tiny.js";

const settings = { threads: 1, executionProviders: [] };
const prompts = [5, 2, 7, 1, 5, 3, 6, 4, 2].map((length, index) => {
  const random = randomAt(1, "prompt", index);
  return Int32Array.from({ length }, () => random.integer(tiny.vocabulary));
});
const maxNewTokens = 9;

function requestWith(change: Partial<GenerateRequest> = {}): GenerateRequest {
  const random = randomAt(2, "uniforms");
  const asked = { prompts, maxNewTokens, temperature: 0.9, endTokens: [3], ...change };
  return { ...asked, uniforms: change.uniforms ?? Float32Array.from({ length: asked.prompts.length * asked.maxNewTokens }, () => random.uniform()) };
}

const made: { readonly release: () => Promise<void> }[] = [];
afterAll(() => Promise.all(made.map((one) => one.release())));

function generatorOf(change: Partial<ModelConfiguration> = {}): { readonly model: OnnxModel; readonly generator: Generator } {
  const configuration = { ...tiny, ...change };
  const model = tinyModel("language", change);
  const generator = new Generator("tiny", configuration, model.blueprint, model.weights, settings);
  made.push(model, generator);
  return { model, generator };
}

const { model, generator } = generatorOf();

/** Log-probabilities that a full forward pass gives the tokens of each row. */
async function rescore(of: OnnxModel, { prompts: given }: GenerateRequest, { tokens }: GenerateResult, temperature: number): Promise<Float32Array> {
  const sequences = given.map((prompt, row) => Int32Array.from([...prompt, ...tokens[row]!]));
  const targets = given.map((prompt, row) => Int32Array.from(tokens[row]!, (_, step) => prompt.length + step));
  const { logProbabilities } = await of.forward({ batch: { sequences, targets }, quantities: ["logProbabilities"], temperature });
  return logProbabilities!;
}

const flat = (rows: readonly Float32Array[]): number[] => rows.flatMap((row) => [...row]);

function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(found.length).toBe(expected.length);
  expect(Math.max(...Array.from(found, (value, index) => Math.abs(value - expected[index]!)))).toBeLessThan(1e-5);
}

/** Log-probabilities of every token after a sequence, by full forwards. */
async function distributionAfter(sequence: Int32Array, temperature = 1): Promise<Float32Array> {
  const sequences = Array.from({ length: tiny.vocabulary }, (_, token) => Int32Array.from([...sequence, token]));
  const targets = sequences.map(({ length }) => Int32Array.of(length - 1));
  const { logProbabilities } = await model.forward({ batch: { sequences, targets }, quantities: ["logProbabilities"], temperature });
  return logProbabilities!;
}

describe("generation with a cache", () => {
  it.each<[string, Partial<ModelConfiguration>]>([
    ["grouped queries, tied embeddings", {}],
    ["a head for each query, LM head of its own", { keyValueHeads: 4, tiedEmbeddings: false }],
    ["biases everywhere", { attentionBias: true, outputBias: true, mlpBias: true }],
  ])("reports the log-probabilities of a full forward: %s", async (_, change) => {
    const own = generatorOf(change);
    const request = requestWith();
    const result = await own.generator.generate(request);
    expectClose(flat(result.logProbabilities), await rescore(own.model, request, result, request.temperature));
  });

  it("takes at temperature 0 what full forwards find likeliest, and reports log-probabilities at 1", async () => {
    const request = requestWith({ temperature: 0, uniforms: new Float32Array(0), endTokens: [] });
    const result = await generator.generate(request);
    for (const row of [0, 3, 6]) {
      const grown = [...prompts[row]!];
      for (const token of result.tokens[row]!) {
        const distribution = await distributionAfter(Int32Array.from(grown));
        expect(token).toBe(distribution.indexOf(Math.max(...distribution)));
        grown.push(token);
      }
    }
    expectClose(flat(result.logProbabilities), await rescore(model, request, result, 1));
  });

  it("takes the first token up to which probabilities exceed the row's uniform of the step", async () => {
    const request = requestWith({ endTokens: [] });
    const result = await generator.generate(request);
    for (const row of [0, 3, 8]) {
      const grown = [...prompts[row]!];
      for (const [step, token] of result.tokens[row]!.entries()) {
        const distribution = await distributionAfter(Int32Array.from(grown), request.temperature);
        let mass = 0;
        const expected = distribution.findIndex((value) => (mass += Math.exp(value)) > request.uniforms[row * maxNewTokens + step]!);
        expect(token).toBe(expected);
        grown.push(token);
      }
    }
  });

  it("gives a row the same tokens alone as in a batch of prompts of other lengths", async () => {
    const request = requestWith();
    const together = await generator.generate(request);
    for (const row of prompts.keys()) {
      const uniforms = request.uniforms.subarray(row * maxNewTokens, (row + 1) * maxNewTokens);
      const alone = await generator.generate({ ...request, prompts: [prompts[row]!], uniforms });
      expect(alone.tokens[0]).toEqual(together.tokens[row]);
      expect(alone.finished[0]).toBe(together.finished[row]);
      expectClose(alone.logProbabilities[0]!, together.logProbabilities[row]!);
    }
  });

  it("gives the same in small batches and with prompts read in chunks as all at once", async () => {
    const request = requestWith();
    const whole = await generator.generate(request);
    // two rows' cache; scores of two positions
    const small = new Generator("tiny", tiny, model.blueprint, model.weights, settings, undefined, { cache: 2 * 2 * 2 * 17 * 8 * 4, scores: 2 * 2 * 4 * 8 * 4 });
    made.push(small);
    const pieces = await small.generate(request);
    expect(pieces.tokens).toEqual(whole.tokens);
    expectClose(flat(pieces.logProbabilities), flat(whole.logProbabilities));
  });

  it("ends rows at an end token, which belongs to them, and goes on with the others as if nothing had happened", async () => {
    const endless = await generator.generate(requestWith({ endTokens: [] }));
    const ends = [1, 3, 5, 8, 11, 14];
    const ended = await generator.generate(requestWith({ endTokens: ends }));
    expect(endless.finished).toEqual(prompts.map(() => false));
    for (const [row, tokens] of endless.tokens.entries()) {
      expect(tokens).toHaveLength(maxNewTokens);
      const end = tokens.findIndex((token) => ends.includes(token));
      expect(ended.tokens[row]).toEqual(end === -1 ? tokens : tokens.slice(0, end + 1));
      expect(ended.finished[row]).toBe(end !== -1);
      expectClose(ended.logProbabilities[row]!, endless.logProbabilities[row]!.subarray(0, ended.tokens[row]!.length));
    }
    expect(new Set(ended.tokens.map(({ length }) => length)).size).toBeGreaterThan(3);
  });

  it("samples with the weights as they are after a step", async () => {
    const own = generatorOf();
    const request = requestWith();
    const before = await own.generator.generate(request);
    own.model.weights.view("model.norm.weight").fill(3);
    own.model.weights.version++;
    const after = await own.generator.generate(request);
    expect(after.tokens).not.toEqual(before.tokens);
    expectClose(flat(after.logProbabilities), await rescore(own.model, request, after, request.temperature));
  });
});

describe("filters", () => {
  it("are told by a second array of log-probabilities, which is there only with a filter", async () => {
    const plain = await generator.generate(requestWith());
    expect(plain.sampledLogProbabilities).toBeUndefined();
    const request = requestWith({ topK: 4, endTokens: [] });
    const filtered = await generator.generate(request);
    expectClose(flat(filtered.logProbabilities), await rescore(model, request, filtered, request.temperature));
    const gains = flat(filtered.sampledLogProbabilities!).map((value, index) => value - flat(filtered.logProbabilities)[index]!);
    expect(Math.min(...gains)).toBeGreaterThan(0);
  });

  it("top-k draws from the k likeliest", async () => {
    const { tokens, sampledLogProbabilities } = await generator.generate(requestWith({ topK: 3, endTokens: [] }));
    const distribution = await distributionAfter(prompts[0]!, 0.9);
    const best = [...distribution.keys()].sort((left, right) => distribution[right]! - distribution[left]!).slice(0, 3);
    expect(best).toContain(tokens[0]![0]);
    const mass = best.reduce((sum, token) => sum + Math.exp(distribution[token]!), 0);
    expect(sampledLogProbabilities![0]![0]).toBeCloseTo(distribution[tokens[0]![0]!]! - Math.log(mass), 5);
  });

  it("top-p draws from the smallest set that reaches it", async () => {
    const uniforms = new Float32Array(prompts.length * maxNewTokens).fill(0.999);
    const { tokens, sampledLogProbabilities } = await generator.generate(requestWith({ topP: 0.5, uniforms }));
    const distribution = await distributionAfter(prompts[0]!, 0.9);
    const set: number[] = [];
    let mass = 0;
    for (const token of [...distribution.keys()].sort((left, right) => distribution[right]! - distribution[left]!)) {
      if (mass >= 0.5) break;
      set.push(token);
      mass += Math.exp(distribution[token]!);
    }
    expect(tokens[0]![0]).toBe(Math.max(...set));
    expect(sampledLogProbabilities![0]![0]).toBeCloseTo(distribution[tokens[0]![0]!]! - Math.log(mass), 5);
  });

  it("a large repetition penalty keeps greedy rows from repeating a token while others have logits above 0", async () => {
    const request = requestWith({ temperature: 0, repetitionPenalty: 1e6, endTokens: [], maxNewTokens: 4 });
    const { tokens } = await generator.generate(request);
    for (const [row, sampled] of tokens.entries()) {
      expect(new Set([...prompts[row]!, ...sampled]).size).toBe(new Set(prompts[row]).size + sampled.length);
    }
  });
});
