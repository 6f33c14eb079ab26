import { describe, expect, it } from "vitest";
import type { GenerateRequest, GenerateResult } from "../../../backends/backend.js";
import { createReferenceBackend } from "../../../backends/reference/index.js";
import { randomAt } from "../../../foundation/random.js";
import type { ModelConfiguration } from "../../../models/configuration.js";
import { type Use, biased, expectAllClose, expectClose, loadTiny } from "./support.js";

const prompts = [Int32Array.of(1, 5, 9, 4, 4), Int32Array.of(7), Int32Array.of(3, 8, 11), Int32Array.of(20, 21), Int32Array.of(6, 6, 6, 6, 6, 6, 6, 6)];
const maxNewTokens = 14;
const uniforms = ((random) => Float32Array.from({ length: prompts.length * maxNewTokens }, () => random.uniform()))(randomAt(3, "uniforms"));
const plain: GenerateRequest = { prompts, maxNewTokens, temperature: 0.9, endTokens: [2, 13], uniforms };

const settings: readonly (readonly [string, Partial<GenerateRequest>])[] = [
  ["plain sampling", {}],
  ["greedy", { temperature: 0 }],
  ["top-k", { topK: 3 }],
  ["top-k of one, which is greedy", { topK: 1 }],
  ["top-p", { topP: 0.6 }],
  ["repetition penalty", { repetitionPenalty: 1.4 }],
  ["a penalty below one, which rewards repetition", { repetitionPenalty: 0.8 }],
  ["all filters", { topK: 8, topP: 0.9, repetitionPenalty: 1.2, temperature: 1.5 }],
  ["greedy with penalty", { temperature: 0, repetitionPenalty: 2 }],
  ["no end tokens", { endTokens: [] }],
];

const shapes: readonly (readonly [string, Partial<ModelConfiguration>])[] = [
  ["tied", {}],
  ["untied and biased", biased],
  ["Qwen2", { family: "qwen2", attentionBias: true, keyValueHeads: 1, tiedEmbeddings: false }],
];

const texts = (result: GenerateResult): number[][] => result.tokens.map((row) => [...row]);

/** Sampling from given uniforms: every backend draws the same tokens. */
export function generatesFromUniforms(use: Use): void {
  describe.each(shapes)("generation, %s", (_, change) => {
    it.each(settings)("agrees with the reference token by token: %s", async (_name, setting) => {
      const directory = await loadTiny(use, "language", change);
      const oracle = createReferenceBackend();
      await oracle.load({ model: "tiny", directory, head: "language", trainable: false });
      const [found, wanted] = await Promise.all([use.backend, oracle].map((backend) => backend.generate("tiny", { ...plain, ...setting })));
      expect(texts(found!)).toEqual(texts(wanted!));
      expect(found!.finished).toEqual(wanted!.finished);
      wanted!.logProbabilities.forEach((row, index) => expectAllClose(found!.logProbabilities[index]!, row, use.tokenTolerance, "log-probabilities"));
      expect(found!.sampledLogProbabilities?.length).toBe(wanted!.sampledLogProbabilities?.length);
      wanted!.sampledLogProbabilities?.forEach((row, index) =>
        expectAllClose(found!.sampledLogProbabilities![index]!, row, use.tokenTolerance, "sampled log-probabilities"));
    });
  });

  describe("generation", () => {
    it.each([["plain", {}], ["filtered", { topK: 4, topP: 0.9, repetitionPenalty: 1.3 }]] as const)(
      "gives the log-probabilities that a forward pass gives, %s", async (_, setting) => {
        await loadTiny(use);
        const { tokens, logProbabilities } = await use.backend.generate("tiny", { ...plain, ...setting });
        const again = await use.backend.forward("tiny", {
          batch: {
            sequences: tokens.map((row, index) => Int32Array.of(...prompts[index]!, ...row)),
            targets: tokens.map((row, index) => Int32Array.from(row, (_token, offset) => prompts[index]!.length + offset)),
          },
          quantities: ["logProbabilities"], temperature: plain.temperature,
        });
        expectAllClose(logProbabilities.flatMap((row) => [...row]), again.logProbabilities!, use.tokenTolerance, "log-probabilities");
      });

    it("ends a row with its first end token, and only such a row is finished", async () => {
      await loadTiny(use);
      const endTokens = [2];
      const { tokens, finished } = await use.backend.generate("tiny", { ...plain, endTokens, temperature: 2 });
      const ends = new Set(endTokens);
      tokens.forEach((row, index) => {
        expect(row.slice(0, -1).every((token) => !ends.has(token))).toBe(true);
        expect(finished[index]).toBe(ends.has(row.at(-1)!));
        if (!finished[index]) expect(row).toHaveLength(maxNewTokens);
      });
      expect(new Set(finished)).toEqual(new Set([true, false]));
    });

    it("treats each row alone", async () => {
      await loadTiny(use);
      const together = await use.backend.generate("tiny", plain);
      for (const [index, prompt] of prompts.entries()) {
        const own = uniforms.slice(index * maxNewTokens, (index + 1) * maxNewTokens);
        const alone = await use.backend.generate("tiny", { ...plain, prompts: [prompt], uniforms: own });
        expect(texts(alone)[0]).toEqual(texts(together)[index]);
        expectAllClose(alone.logProbabilities[0]!, together.logProbabilities[index]!, use.tokenTolerance, "log-probabilities");
      }
    });

    it("draws from nothing but the uniforms: the same give the same, others give others, greedy needs none", async () => {
      await loadTiny(use);
      const first = await use.backend.generate("tiny", plain);
      expect(await use.backend.generate("tiny", plain)).toEqual(first);
      expect(texts(await use.backend.generate("tiny", { ...plain, uniforms: uniforms.map((value) => 1 - value - 2 ** -24) }))).not.toEqual(texts(first));
      const greedy = { ...plain, temperature: 0 };
      expect(await use.backend.generate("tiny", { ...greedy, uniforms: new Float32Array() })).toEqual(await use.backend.generate("tiny", greedy));
    });

    it("takes the ends of the unit interval", async () => {
      await loadTiny(use);
      for (const uniform of [0, 1 - 2 ** -24]) {
        const { tokens, logProbabilities } = await use.backend.generate("tiny", { ...plain, uniforms: uniforms.map(() => uniform), topP: 0.5 });
        expect(tokens.every((row) => row.every((token) => token >= 0 && token < 23))).toBe(true);
        expect(logProbabilities.every((row) => row.every(Number.isFinite))).toBe(true);
      }
    });

    it("follows the distribution it reports", async () => {
      await loadTiny(use);
      const draws = 2000;
      const random = randomAt(11, "frequency");
      const { tokens, logProbabilities } = await use.backend.generate("tiny", {
        ...plain, prompts: Array.from({ length: draws }, () => prompts[0]!), maxNewTokens: 1,
        uniforms: Float32Array.from({ length: draws }, () => random.uniform()),
      });
      const likelihood = new Map(tokens.map((row, index) => [row[0]!, Math.exp(logProbabilities[index]![0]!)]));
      for (const [token, probability] of likelihood) {
        const share = tokens.filter((row) => row[0] === token).length / draws;
        const deviation = Math.sqrt(probability * (1 - probability) / draws);
        expectClose(share, probability, 4.5 * deviation, `share of token ${token}`);
      }
    });

    it("reads the weights of the last update", async () => {
      await loadTiny(use);
      const before = await use.backend.generate("tiny", plain);
      const batch = { sequences: [Int32Array.of(1, 5, 9, 12)], targets: [Int32Array.of(3)] };
      await use.backend.step("tiny", {
        parts: [{ batch, arrays: {}, loss: [{ op: "negate", of: { op: "logProbabilities" } }], statistics: {} }],
        optimizer: { learningRate: 0.05, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0 },
      });
      expect((await use.backend.generate("tiny", plain)).logProbabilities).not.toEqual(before.logProbabilities);
    });

    it("fills the context to its last token", async () => {
      await loadTiny(use);
      const prompt = Int32Array.from({ length: 20 }, (_, index) => 3 + index % 9);
      const { tokens } = await use.backend.generate("tiny", {
        prompts: [prompt], maxNewTokens: 4, temperature: 1, endTokens: [], uniforms: Float32Array.of(0.1, 0.4, 0.6, 0.9),
      });
      expect(tokens[0]).toHaveLength(4);
    });
  });
}
