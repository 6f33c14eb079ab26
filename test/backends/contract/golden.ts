import { readFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { StepPart } from "../../../backends/backend.js";
import {
  add, clip, constant, divide, entropy, exp, logProbabilities, logSigmoid, maximum, minimum, multiply, negate, perRow, perToken,
  scores, square, subtract, take, values, type Expression, type Sum,
} from "../../../backends/expressions.js";
import { describeModel } from "../../../models/configuration.js";
import { readSafetensors } from "../../../models/safetensors.js";
import { type Use, expectAllClose, expectClose, expectNormsClose } from "./support.js";

export const quantities = ["logProbabilities", "entropy", "values", "scores"] as const;
export const numbers = z.array(z.number());
const floats = numbers.transform((list) => Float32Array.from(list));
const rows = z.array(numbers.transform((list) => Int32Array.from(list)));
export const batch = z.strictObject({ sequences: rows, targets: rows });
const part = z.strictObject({
  loss: z.enum(["negativeLogLikelihood", "pairwise", "clippedSurrogate", "surrogateWithEntropy", "clippedValue", "ptx"]),
  temperature: z.number(), batch, arrays: z.record(z.string(), floats),
});
export const goldenSteps = z.array(z.strictObject({
  parts: z.array(part),
  expected: z.strictObject({ losses: numbers, gradientNorm: z.number(), normsByParameter: z.record(z.string(), z.number()) }),
}));
const golden = z.strictObject({
  forward: z.strictObject({
    batch, temperature: z.number(),
    expected: z.partialRecord(z.enum(quantities), numbers),
  }),
  steps: goldenSteps,
  training: z.strictObject({
    part, gradientNorms: numbers,
    optimizer: z.strictObject({
      learningRate: z.number(), beta1: z.number(), beta2: z.number(), epsilon: z.number(), weightDecay: z.number(), maxGradientNorm: z.number(),
    }),
  }).optional(),
  generations: z.array(z.strictObject({
    request: z.strictObject({
      prompts: rows, maxNewTokens: z.number(), temperature: z.number(), topP: z.number(), topK: z.number(),
      repetitionPenalty: z.number(), endTokens: numbers, uniforms: floats,
    }),
    rows: z.array(z.strictObject({
      tokens: numbers, logProbabilities: numbers, sampledLogProbabilities: numbers, finished: z.boolean(),
    })),
  })).optional(),
});
type GoldenPart = z.output<typeof part>;

export const folder = fileURLToPath(new URL("../../golden", import.meta.url));
const models = ["llama-tied", "llama-biased", "qwen2", "llama-score", "llama-value"];

const ratio = exp(subtract(logProbabilities, perToken("oldLogProbabilities")));
const loss = (ratios: Expression): Expression => negate(multiply(perToken("advantages"), ratios));
const surrogate = maximum(loss(ratio), loss(clip(ratio, 0.8, 1.2)));
const heldValue = add(perToken("oldValues"), clip(subtract(values, perToken("oldValues")), -0.2, 0.2));
const squaredError = (of: Expression): Expression => square(subtract(of, perToken("returns")));
const mean = (of: Expression, count: number): Expression => divide(of, constant(count));

/** The losses of generate.py as expressions, for so many tokens and rows. */
const losses: Readonly<Record<GoldenPart["loss"], (tokens: number, pairs: number, chosen: number) => Sum>> = {
  negativeLogLikelihood: (tokens) => [mean(negate(logProbabilities), tokens)],
  pairwise: (_, pairs, chosen) => [
    mean(negate(multiply(perRow("first"), logSigmoid(subtract(scores, take(scores, "partner"))))), pairs),
    multiply(constant(0.5), mean(negate(multiply(perToken("chosenTokens"), logProbabilities)), chosen)),
  ],
  clippedSurrogate: (tokens) => [mean(surrogate, tokens)],
  surrogateWithEntropy: (tokens) => [
    mean(surrogate, tokens), mean(multiply(constant(-0.01), minimum(entropy, constant(1.9))), tokens),
  ],
  clippedValue: (tokens) => [mean(multiply(constant(0.5), maximum(squaredError(values), squaredError(heldValue))), tokens)],
  ptx: (tokens) => [mean(multiply(constant(-0.1), logProbabilities), tokens)],
};

export function stepPart(given: GoldenPart): StepPart {
  const tokens = given.batch.targets.reduce((sum, { length }) => sum + length, 0);
  const pairs = given.batch.sequences.length / 2;
  const rowArrays = {
    first: Float32Array.from(given.batch.sequences, (_, row) => (row < pairs ? 1 : 0)),
    partner: Float32Array.from(given.batch.sequences, (_, row) => (row + pairs) % (2 * pairs)),
  };
  const chosen = given.arrays["chosenTokens"]?.reduce((sum, one) => sum + one, 0) ?? 0;
  return {
    batch: given.batch, temperature: given.temperature,
    arrays: given.loss === "pairwise" ? { ...given.arrays, ...rowArrays } : given.arrays,
    loss: losses[given.loss](tokens, pairs, chosen), statistics: {},
  };
}

/** What PyTorch and transformers computed in double precision (test/golden/generate.py). */
export function agreesWithTorch(use: Use): void {
  const { lossTolerance, normTolerance, tokenTolerance } = use;
  describe.each(models)("agrees with PyTorch on %s", (name) => {
    const expected = golden.parse(JSON.parse(readFileSync(join(folder, name, "expected.json"), "utf8")));
    const load = async (): Promise<void> => {
      const { head } = await describeModel(join(folder, name));
      await use.backend.load({ model: name, directory: join(folder, name), head, trainable: true });
    };

    it("in quantities of given tokens", async () => {
      await load();
      const { batch: given, temperature, expected: wanted } = expected.forward;
      const result = await use.backend.forward(name, {
        batch: given, temperature, quantities: quantities.filter((quantity) => wanted[quantity]),
      });
      for (const quantity of quantities) {
        expectAllClose(result[quantity] ?? [], wanted[quantity] ?? [], tokenTolerance, quantity);
      }
    });

    it.each(expected.steps.map((step) => [step.parts.map(({ loss: kind }) => kind).join(" + "), step] as const))(
      "in loss and gradient of %s", async (_, step) => {
        await load();
        const result = await use.backend.step(name, { parts: step.parts.map(stepPart), normsByParameter: true });
        step.expected.losses.forEach((wanted, index) =>
          expectClose(result.losses[index]!, wanted, lossTolerance, `loss ${index}`, Math.abs(wanted)));
        expectClose(result.gradientNorm, step.expected.gradientNorm, lossTolerance, "norm", step.expected.gradientNorm);
        expectNormsClose(result.normsByParameter!, step.expected.normsByParameter, normTolerance);
      });

    if (expected.training) it("in the weights after one and three updates of AdamW", async () => {
      await load();
      const { part: given, optimizer, gradientNorms } = expected.training!;
      for (const [index, norm] of gradientNorms.entries()) {
        const { gradientNorm } = await use.backend.step(name, { parts: [stepPart(given)], optimizer });
        expectClose(gradientNorm, norm, lossTolerance, `norm at step ${index}`, norm);
        if (index === 1) continue;
        const directory = await mkdtemp(join(use.directory, "saved-"));
        await use.backend.save(name, directory, { optimizer: false });
        const { tensors } = await readSafetensors(join(directory, "model.safetensors"));
        const wanted = await readSafetensors(join(folder, name, `after-${index + 1}.safetensors`));
        for (const [key, tensor] of wanted.tensors) expectAllClose(tensors.get(key)!.data, tensor.data, tokenTolerance, key);
      }
    });

    if (expected.generations) it("in generated tokens and their log-probabilities, through every filter", async () => {
      await load();
      for (const { request, rows: wanted } of expected.generations!) {
        const result = await use.backend.generate(name, request);
        const filtered = request.topP < 1 || request.topK > 0 || request.repetitionPenalty !== 1;
        expect(result.sampledLogProbabilities !== undefined).toBe(filtered);
        wanted.forEach((row, index) => {
          expect([...result.tokens[index]!]).toEqual(row.tokens);
          expect(result.finished[index]).toBe(row.finished);
          expectAllClose(result.logProbabilities[index]!, row.logProbabilities, tokenTolerance, "log-probabilities");
          if (filtered) expectAllClose(result.sampledLogProbabilities![index]!, row.sampledLogProbabilities, tokenTolerance, "sampled log-probabilities");
        });
      }
    });
  });
}
