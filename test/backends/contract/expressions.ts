import { describe, it } from "vitest";
import type { Head, Quantity, StepPart, StepResult } from "../../../backends/backend.js";
import {
  absolute, add, clip, constant, divide, entropy, exp, greater, log, logProbabilities, logSigmoid, maximum, minimum, multiply, negate,
  perRow, perToken, rowSums, scores, square, stopGradient, subtract, take, values, type Expression,
} from "../../../backends/expressions.js";
import { type Use, expectClose, expectNormsClose, loadTiny, randomArray, randomBatch, tokensOf } from "./support.js";

/** f of a quantity x and a given array a, with what it should be and its derivative by x. */
interface Case {
  readonly of: (x: Expression, a: Expression) => Expression;
  readonly value: (x: number, a: number) => number;
  readonly slope: (x: number, a: number) => number;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);

const cases: Readonly<Record<string, Case>> = {
  negate: { of: (x) => negate(x), value: (x) => -x, slope: () => -1 },
  exp: { of: (x) => exp(x), value: (x) => Math.exp(x), slope: (x) => Math.exp(x) },
  log: { of: (x) => log(add(square(x), constant(1))), value: (x) => Math.log(x * x + 1), slope: (x) => 2 * x / (x * x + 1) },
  square: { of: (x) => square(x), value: (x) => x * x, slope: (x) => 2 * x },
  absolute: { of: (x, a) => absolute(subtract(x, a)), value: (x, a) => Math.abs(x - a), slope: (x, a) => Math.sign(x - a) },
  logSigmoid: { of: (x) => logSigmoid(x), value: (x) => Math.log(sigmoid(x)), slope: (x) => sigmoid(-x) },
  "logSigmoid far out": {
    of: (x) => logSigmoid(subtract(x, constant(2000))), value: (x) => x - 2000, slope: () => 1,
  },
  stopGradient: { of: (x) => multiply(x, stopGradient(x)), value: (x) => x * x, slope: (x) => x },
  add: { of: (x, a) => add(x, add(a, x)), value: (x, a) => 2 * x + a, slope: () => 2 },
  subtract: { of: (x, a) => subtract(a, x), value: (x, a) => a - x, slope: () => -1 },
  multiply: { of: (x, a) => multiply(multiply(a, x), x), value: (x, a) => a * x * x, slope: (x, a) => 2 * a * x },
  "divide, above": { of: (x, a) => divide(x, add(square(a), constant(1))), value: (x, a) => x / (a * a + 1), slope: (_, a) => 1 / (a * a + 1) },
  "divide, below": {
    of: (x, a) => divide(a, add(square(x), constant(1))),
    value: (x, a) => a / (x * x + 1), slope: (x, a) => -2 * a * x / (x * x + 1) ** 2,
  },
  maximum: { of: (x, a) => maximum(x, a), value: Math.max, slope: (x, a) => (x >= a ? 1 : 0) },
  minimum: { of: (x, a) => minimum(a, x), value: Math.min, slope: (x, a) => (x < a ? 1 : 0) },
  "maximum on ties": { of: (x) => maximum(x, multiply(x, constant(1))), value: (x) => x, slope: () => 1 },
  "maximum on ties, to the left": { of: (x) => maximum(x, stopGradient(x)), value: (x) => x, slope: () => 1 },
  "minimum on ties, to the left": { of: (x) => minimum(stopGradient(x), x), value: (x) => x, slope: () => 0 },
  greater: { of: (x, a) => multiply(greater(x, a), x), value: (x, a) => (x > a ? x : 0), slope: (x, a) => (x > a ? 1 : 0) },
  "greater on ties": { of: (x) => multiply(add(constant(1), greater(x, x)), x), value: (x) => x, slope: () => 1 },
  clip: { of: (x, a) => clip(subtract(x, a), -0.3, 0.4), value: (x, a) => clamp(x - a, -0.3, 0.4), slope: (x, a) => (x - a >= -0.3 && x - a <= 0.4 ? 1 : 0) },
  "clip on one side": { of: (x, a) => clip(subtract(x, a), -Infinity, 0.1), value: (x, a) => Math.min(x - a, 0.1), slope: (x, a) => (x - a <= 0.1 ? 1 : 0) },
  "clip at its bounds": {
    of: (x) => clip(add(constant(0.5), multiply(constant(0), x)), 0, 0.5), value: () => 0.5, slope: () => 0,
  },
  "clip at its upper bound": { of: (x) => clip(divide(x, stopGradient(x)), 0, 1), value: () => 1, slope: (x) => 1 / x },
  "clip at its lower bound": { of: (x) => clip(divide(x, stopGradient(x)), 1, 2), value: () => 1, slope: (x) => 1 / x },
  "a constant": { of: (x) => multiply(constant(-0.25), x), value: (x) => -x / 4, slope: () => -0.25 },
};

const every = Object.keys(cases);
const few = ["square", "multiply", "maximum", "clip"];

const quantities = [
  { name: "logProbabilities", quantity: logProbabilities, head: "language", given: perToken, tried: every },
  { name: "entropy", quantity: entropy, head: "language", given: perToken, tried: few },
  { name: "values", quantity: values, head: "value", given: perToken, tried: few },
  { name: "scores", quantity: scores, head: "score", given: perRow, tried: every },
] as const satisfies readonly {
  name: Quantity; quantity: Expression; head: Head; given: (name: string) => Expression; tried: readonly string[];
}[];

/**
 * Each operation against calculus: a loss Σ f(x) must have the value that f gives, and the gradient of the linear loss
 * Σ f′(x) · x with the slopes given as numbers. The linear loss itself is held to PyTorch elsewhere.
 */
export function differentiatesExpressions(use: Use): void {
  describe.each(quantities)("differentiates expressions over $name", ({ name, quantity, head, given, tried }) => {
    const batch = randomBatch([7, 3, 9, 5]);
    const length = name === "scores" ? batch.sequences.length : tokensOf(batch);

    const quantitiesNow = async (): Promise<Float32Array> =>
      (await use.backend.forward("tiny", { batch, quantities: [name] }))[name]!;
    const step = (loss: Expression, arrays: StepPart["arrays"]): Promise<StepResult> =>
      use.backend.step("tiny", { parts: [{ batch, arrays, loss: [loss], statistics: { same: [loss] } }], normsByParameter: true });

    it.each(tried)("%s", async (operation) => {
      const { of, value, slope } = cases[operation]!;
      await loadTiny(use, head);
      const x = await quantitiesNow();
      const a = x.map((number, index) => number + randomArray(length, 5, 0.5)[index]!);
      const result = await step(of(quantity, given("a")), { a });
      const expected = x.reduce((sum, number, index) => sum + value(number, a[index]!), 0);
      const magnitude = x.reduce((sum, number, index) => sum + Math.abs(value(number, a[index]!)), 1);
      // x is known to float32 only
      const tolerance = Math.max(use.lossTolerance, 1e-6);
      expectClose(result.losses[0]!, expected, tolerance, "loss", magnitude);
      expectClose(result.statistics[0]!["same"]!, result.losses[0]!, use.lossTolerance, "statistic", magnitude);

      const slopes = x.map((number, index) => slope(number, a[index]!));
      const linear = await step(multiply(given("slopes"), quantity), { slopes });
      expectNormsClose(result.normsByParameter!, linear.normsByParameter!, 2 * tolerance);
      expectClose(result.gradientNorm, linear.gradientNorm, 2 * tolerance, "norm", linear.gradientNorm);
    });
  });

  describe("takes rows by index", () => {
    const batch = randomBatch([7, 3, 9, 5]);
    const step = (loss: Expression, arrays: StepPart["arrays"]): Promise<StepResult> =>
      use.backend.step("tiny", { parts: [{ batch, arrays, loss: [loss], statistics: {} }], normsByParameter: true });

    it("with the gradient going back to the rows that were taken, as often as they were", async () => {
      await loadTiny(use, "score");
      const taken = await step(
        multiply(perRow("weights"), take(scores, "indices")),
        { weights: Float32Array.of(1, -0.5, 2, 0.25), indices: Float32Array.of(3, 0, 3, 1) },
      );
      const weighted = await step(multiply(perRow("weights"), scores), { weights: Float32Array.of(-0.5, 0.25, 0, 3) });
      expectClose(taken.losses[0]!, weighted.losses[0]!, use.lossTolerance, "loss");
      expectNormsClose(taken.normsByParameter!, weighted.normsByParameter!, use.lossTolerance);
    });

    it("of an expression, not only of a score", async () => {
      await loadTiny(use, "score");
      const difference = subtract(scores, take(square(scores), "indices"));
      const { losses } = await step(difference, { indices: Float32Array.of(1, 1, 2, 0) });
      const now = (await use.backend.forward("tiny", { batch, quantities: ["scores"] })).scores!;
      const [a, b, c, d] = [...now] as [number, number, number, number];
      expectClose(losses[0]!, a + b + c + d - 2 * b * b - c * c - a * a, Math.max(use.lossTolerance, 1e-6), "loss");
    });
  });

  describe("sums a token array over each row", () => {
    // the second row asks for nothing
    const sequences = randomBatch([7, 3, 9, 5]).sequences;
    const batch = { sequences, targets: [[2, 3, 6], [], [1, 4, 5, 8], [4]].map((row) => Int32Array.from(row)) };
    const rowOf = [0, 0, 0, 2, 2, 2, 2, 3];
    const step = (loss: Expression, arrays: StepPart["arrays"], rows = batch): Promise<StepResult> =>
      use.backend.step("tiny", { parts: [{ batch: rows, arrays, loss: [loss], statistics: { same: [loss] } }], normsByParameter: true });
    const weights = Float32Array.of(1, -0.5, 2, 0.25);
    const a = randomArray(rowOf.length, 6, 0.5);

    it("with the gradient going back to each of its tokens", async () => {
      await loadTiny(use);
      const now = (await use.backend.forward("tiny", { batch, quantities: ["logProbabilities"] })).logProbabilities!;
      const sums = weights.map((_, row) => now.reduce((sum, value, token) => sum + (rowOf[token] === row ? value + a[token]! : 0), 0));
      const found = await step(multiply(perRow("weights"), square(rowSums(add(logProbabilities, perToken("a"))))), { weights, a });
      const tolerance = Math.max(use.lossTolerance, 1e-6);
      const magnitude = sums.reduce((total, sum, row) => total + Math.abs(weights[row]! * sum * sum), 1);
      expectClose(found.losses[0]!, sums.reduce((total, sum, row) => total + weights[row]! * sum * sum, 0), tolerance, "loss", magnitude);
      expectClose(found.statistics[0]!["same"]!, found.losses[0]!, use.lossTolerance, "statistic", magnitude);
      const linear = await step(multiply(perToken("slopes"), logProbabilities), { slopes: Float32Array.from(rowOf, (row) => 2 * weights[row]! * sums[row]!) });
      expectNormsClose(found.normsByParameter!, linear.normsByParameter!, 2 * tolerance);
    });

    it("and a row without targets gives 0, also where no row has any", async () => {
      await loadTiny(use);
      const loss = multiply(perRow("weights"), exp(rowSums(logProbabilities)));
      const empty = await step(loss, { weights: Float32Array.of(1, 2) }, { sequences: sequences.slice(0, 2), targets: [new Int32Array(0), new Int32Array(0)] });
      expectClose(empty.losses[0]!, 3, use.lossTolerance, "loss");
      expectClose(empty.gradientNorm, 0, use.lossTolerance, "norm");
      const alone = await step(multiply(perRow("weights"), rowSums(logProbabilities)), { weights: Float32Array.of(0, 1, 0, 0) });
      expectClose(alone.losses[0]!, 0, use.lossTolerance, "loss");
    });

    it("which rows may take from each other", async () => {
      await loadTiny(use);
      const sums = rowSums(logProbabilities);
      const { losses } = await step(multiply(perRow("weights"), subtract(sums, take(sums, "other"))), { weights: Float32Array.of(1, 0, 0, 0), other: Float32Array.of(2, 3, 0, 1) });
      const now = (await use.backend.forward("tiny", { batch, quantities: ["logProbabilities"] })).logProbabilities!;
      const sumOf = (row: number): number => now.reduce((sum, value, token) => sum + (rowOf[token] === row ? value : 0), 0);
      expectClose(losses[0]!, sumOf(0) - sumOf(2), Math.max(use.lossTolerance, 1e-6), "loss", Math.abs(sumOf(0)) + Math.abs(sumOf(2)));
    });
  });
}
