import type { BinaryOperation, Domain, Expression, Sum, UnaryOperation } from "../expressions.js";
import { domainOfTerm } from "../inspect.js";
import { combine, gather, map, scatterSums } from "./matrices.js";
import type { Quantities } from "./quantities.js";
import { Matrix, type Tape } from "./tape.js";

/** What expressions are evaluated in. */
export interface Scope {
  readonly quantities: Quantities;
  readonly arrays: Readonly<Record<string, Float32Array>>;
  /** Number of tokens and rows. */
  readonly lengths: Readonly<Record<Domain, number>>;
  /** The row of each token. */
  readonly targetRows: ArrayLike<number>;
}

/** The value of a sum, and the columns it adds up: a gradient of 1 in each differentiates it. */
export function evaluateSum(tape: Tape, sum: Sum, scope: Scope): { readonly value: number; readonly terms: readonly Matrix[] } {
  const terms = sum.map((term) => evaluate(tape, term, scope.lengths[domainOfTerm(term)], scope));
  return { value: terms.flatMap((term) => [...term.data]).reduce((total, value) => total + value, 0), terms };
}

interface Unary {
  readonly value: (x: number) => number;
  readonly slope: (x: number, y: number) => number;
}

const unaries: Readonly<Record<UnaryOperation, Unary>> = {
  negate: { value: (x) => -x, slope: () => -1 },
  exp: { value: Math.exp, slope: (_, y) => y },
  log: { value: Math.log, slope: (x) => 1 / x },
  square: { value: (x) => x * x, slope: (x) => 2 * x },
  absolute: { value: Math.abs, slope: Math.sign },
  // min(x, 0) − log(1 + e^−|x|): the exponential never overflows
  logSigmoid: { value: (x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x))), slope: (x) => 1 / (1 + Math.exp(x)) },
  stopGradient: { value: (x) => x, slope: () => 0 },
};

interface Binary {
  readonly value: (x: number, y: number) => number;
  readonly slopes: (x: number, y: number) => readonly [number, number];
}

const binaries: Readonly<Record<BinaryOperation, Binary>> = {
  add: { value: (x, y) => x + y, slopes: () => [1, 1] },
  subtract: { value: (x, y) => x - y, slopes: () => [1, -1] },
  multiply: { value: (x, y) => x * y, slopes: (x, y) => [y, x] },
  divide: { value: (x, y) => x / y, slopes: (x, y) => [1 / y, -x / (y * y)] },
  maximum: { value: Math.max, slopes: (x, y) => (x >= y ? [1, 0] : [0, 1]) },
  minimum: { value: Math.min, slopes: (x, y) => (x <= y ? [1, 0] : [0, 1]) },
  greater: { value: (x, y) => (x > y ? 1 : 0), slopes: () => [0, 0] },
};

function evaluate(tape: Tape, expression: Expression, length: number, scope: Scope): Matrix {
  switch (expression.op) {
    case "logProbabilities": case "entropy": case "values": case "scores":
      return scope.quantities[expression.op]!;
    case "given":
      return new Matrix(length, 1, Float64Array.from(scope.arrays[expression.name]!));
    case "constant":
      return new Matrix(length, 1, new Float64Array(length).fill(expression.value));
    case "clip": {
      const { low, high } = expression;
      return map(tape, evaluate(tape, expression.of, length, scope),
        (x) => Math.min(Math.max(x, low), high), (x) => (x >= low && x <= high ? 1 : 0));
    }
    case "take": {
      const indices = scope.arrays[expression.indices]!;
      return gather(tape, evaluate(tape, expression.of, length, scope), length, 1, (i) => indices[i]!);
    }
    case "rowSums":
      return scatterSums(tape, evaluate(tape, expression.of, scope.lengths.tokens, scope), length, scope.targetRows);
    case "add": case "subtract": case "multiply": case "divide": case "maximum": case "minimum": case "greater": {
      const { value, slopes } = binaries[expression.op];
      const left = evaluate(tape, expression.left, length, scope);
      return combine(tape, left, evaluate(tape, expression.right, length, scope), value, slopes);
    }
    default: {
      const { value, slope } = unaries[expression.op];
      return map(tape, evaluate(tape, expression.of, length, scope), value, slope);
    }
  }
}
