import { describe, expect, it } from "vitest";
import type { Batch, ForwardQuantity, Head } from "../../../backends/backend.js";
import {
  add, constant, entropy, exp, logProbabilities, logSigmoid, multiply, negate, perRow, perToken, scores, square, subtract, values,
  type Expression,
} from "../../../backends/expressions.js";
import { createReferenceBackend } from "../../../backends/reference/index.js";
import type { ModelConfiguration } from "../../../models/configuration.js";
import {
  type Use, biased, expectAllClose, expectClose, expectNormsClose, loadTiny, randomArray, randomBatch, tiny, tokensOf,
} from "./support.js";

const answers: Readonly<Record<Head, readonly ForwardQuantity[]>> = {
  language: ["logProbabilities", "entropy", "features"],
  score: ["logProbabilities", "entropy", "scores", "features"],
  value: ["values", "features"],
};
/** Numbers a row, of what is given by row. */
const widths: Partial<Record<ForwardQuantity, number>> = { scores: 1, features: tiny.hidden };

const weighted = (of: Expression): Expression => multiply(perToken("weights"), of);
const losses: Readonly<Record<Head, readonly Expression[]>> = {
  language: [weighted(exp(logProbabilities)), multiply(constant(0.1), negate(entropy))],
  score: [multiply(perRow("rowWeights"), logSigmoid(scores)), weighted(logProbabilities)],
  value: [weighted(square(subtract(values, perToken("weights"))))],
};

const shapes: readonly (readonly [string, Partial<ModelConfiguration>])[] = [
  ["tied embeddings, grouped queries", {}],
  ["biases, embeddings untied", biased],
  ["Qwen2, one key-value head", { family: "qwen2", attentionBias: true, keyValueHeads: 1, tiedEmbeddings: false }],
  ["Mistral, a head each, one layer", { family: "mistral", keyValueHeads: 4, layers: 1, ropeTheta: 1e6 }],
];
const lengths = [6, 1, 11, 3, 24, 2];

const part = (batch: Batch, head: Head, tokenOffset = 0, rowOffset = 0) => ({
  batch, loss: losses[head], statistics: {}, temperature: 0.8,
  arrays: {
    weights: randomArray(100, 2).subarray(tokenOffset, tokenOffset + tokensOf(batch)),
    rowWeights: randomArray(100, 3).subarray(rowOffset, rowOffset + batch.sequences.length),
  },
});

const heads: readonly Head[] = ["language", "score", "value"];

/** Rows of every length, one token and no targets included, in every shape of model, against the reference. */
export function treatsRowsAlone(use: Use): void {
  const { lossTolerance, normTolerance, tokenTolerance } = use;
  const forward = (head: Head, batch: Batch) => use.backend.forward("tiny", { batch, quantities: answers[head], temperature: 1.3 });

  describe.each(shapes)("agrees with the reference on ragged rows: %s", (_, change) => {
    it.each(heads)("as a %s model", async (head) => {
      const directory = await loadTiny(use, head, change);
      const oracle = createReferenceBackend();
      await oracle.load({ model: "tiny", directory, head, trainable: true });
      const batch = randomBatch(lengths);
      expect(batch.targets.some((targets) => targets.length === 0)).toBe(true);

      const [found, wanted] = await Promise.all([use.backend, oracle].map((backend) =>
        backend.forward("tiny", { batch, quantities: answers[head], temperature: 1.3 })));
      for (const quantity of answers[head]) expectAllClose(found![quantity]!, wanted![quantity]!, tokenTolerance, quantity);

      const request = { parts: [part(batch, head)], normsByParameter: true };
      const [result, expected] = [await use.backend.step("tiny", request), await oracle.step("tiny", request)];
      expectClose(result.losses[0]!, expected.losses[0]!, lossTolerance, "loss");
      expectClose(result.gradientNorm, expected.gradientNorm, lossTolerance, "norm", expected.gradientNorm);
      expectNormsClose(result.normsByParameter!, expected.normsByParameter!, normTolerance);
    });
  });

  it("agrees with the reference on a batch large enough to be shared among threads", async () => {
    const directory = await loadTiny(use, "language", { vocabulary: 200, hidden: 32, headSize: 8, intermediate: 48, context: 64 });
    const oracle = createReferenceBackend();
    await oracle.load({ model: "tiny", directory, head: "language", trainable: true });
    // 23 tokens in 400 places: every row of the embedding's gradient is a sum of many
    const batch = randomBatch(Array.from({ length: 12 }, (_, row) => 10 + (7 * row) % 55));
    const request = { parts: [{ batch, arrays: {}, loss: [negate(logProbabilities)], statistics: {} }], normsByParameter: true };
    const [result, expected] = [await use.backend.step("tiny", request), await oracle.step("tiny", request)];
    expectClose(result.losses[0]!, expected.losses[0]!, lossTolerance, "loss");
    expectClose(result.gradientNorm, expected.gradientNorm, lossTolerance, "norm", expected.gradientNorm);
    expectNormsClose(result.normsByParameter!, expected.normsByParameter!, normTolerance);
  });

  describe.each(heads)("treats every row of a %s model alone", (head) => {
    it("whatever rows stand beside it, and in whatever order", async () => {
      await loadTiny(use, head);
      const batch = randomBatch(lengths);
      const together = await forward(head, batch);
      let token = 0;
      for (const [row, sequence] of batch.sequences.entries()) {
        const targets = batch.targets[row]!;
        const alone = await forward(head, { sequences: [sequence], targets: [targets] });
        for (const quantity of answers[head]) {
          const width = widths[quantity];
          const [first, count] = width === undefined ? [token, targets.length] : [width * row, width];
          expectAllClose(together[quantity]!.subarray(first, first + count), alone[quantity]!, tokenTolerance, `${quantity} of row ${row}`);
        }
        token += targets.length;
      }
    });

    it("so that a batch cut into parts has the same loss and gradient", async () => {
      await loadTiny(use, head);
      const batch = randomBatch(lengths);
      const first = { sequences: batch.sequences.slice(0, 2), targets: batch.targets.slice(0, 2) };
      const second = { sequences: batch.sequences.slice(2), targets: batch.targets.slice(2) };
      const whole = await use.backend.step("tiny", { parts: [part(batch, head)], normsByParameter: true });
      const cut = await use.backend.step("tiny", {
        parts: [part(first, head), part(second, head, tokensOf(first), 2)], normsByParameter: true,
      });
      expect(cut.losses).toHaveLength(2);
      expectClose(cut.losses[0]! + cut.losses[1]!, whole.losses[0]!, lossTolerance, "loss");
      expectClose(cut.gradientNorm, whole.gradientNorm, lossTolerance, "norm", whole.gradientNorm);
      expectNormsClose(cut.normsByParameter!, whole.normsByParameter!, normTolerance);
    });

    it("and answers nothing where there are no targets", async () => {
      await loadTiny(use, head);
      const sequences = [Int32Array.of(3, 4, 5), Int32Array.of(6)];
      const result = await forward(head, { sequences, targets: [new Int32Array(), new Int32Array()] });
      for (const quantity of answers[head]) expect(result[quantity]).toHaveLength(2 * (widths[quantity] ?? 0));
      const step = await use.backend.step("tiny", { parts: [part({ sequences, targets: [new Int32Array(), new Int32Array()] }, head)] });
      expect(step.losses[0]).toSatisfy(Number.isFinite);
    });
  });

  it("applies the temperature to log-probabilities and entropy alike", async () => {
    await loadTiny(use);
    const batch: Batch = { sequences: [Int32Array.of(5, 6)], targets: [Int32Array.of(1)] };
    const everyToken = { sequences: Array.from({ length: 23 }, (_, token) => Int32Array.of(5, token)), targets: Array.from({ length: 23 }, () => Int32Array.of(1)) };
    const plain = (await use.backend.forward("tiny", { batch: everyToken, quantities: ["logProbabilities"] })).logProbabilities!;
    for (const temperature of [0.5, 2]) {
      const shift = Math.log(plain.reduce((sum, value) => sum + Math.exp(value / temperature), 0));
      const expected = Array.from(plain, (value) => value / temperature - shift);
      const hot = await use.backend.forward("tiny", { batch: everyToken, quantities: ["logProbabilities"], temperature });
      expectAllClose(hot.logProbabilities!, expected, 10 * tokenTolerance, "log-probabilities");
      const { entropy: found } = await use.backend.forward("tiny", { batch, quantities: ["entropy"], temperature });
      expectClose(found![0]!, -expected.reduce((sum, value) => sum + Math.exp(value) * value, 0), 10 * tokenTolerance, "entropy");
    }
  });

  it("answers the quantities asked for and no others", async () => {
    await loadTiny(use, "score");
    const result = await use.backend.forward("tiny", { batch: randomBatch([4]), quantities: ["scores"] });
    expect(Object.entries(result).filter(([, array]) => array !== undefined).map(([name]) => name)).toEqual(["scores"]);
  });

  it("keeps sums over tokens and rows apart", async () => {
    await loadTiny(use, "score");
    const batch = randomBatch([5, 8]);
    const { losses: [loss], statistics: [counts] } = await use.backend.step("tiny", {
      parts: [{
        batch, arrays: {}, loss: [scores, add(constant(0), logProbabilities)],
        statistics: { tokens: [add(constant(1), multiply(constant(0), logProbabilities))], rows: [add(constant(1), multiply(constant(0), scores))] },
      }],
    });
    const found = await use.backend.forward("tiny", { batch, quantities: ["scores", "logProbabilities"] });
    const total = [...found.scores!, ...found.logProbabilities!].reduce((sum, value) => sum + value, 0);
    expectClose(loss!, total, Math.max(lossTolerance, 1e-6), "loss");
    expect(counts).toEqual({ tokens: tokensOf(batch), rows: 2 });
  });
}
