/**
 * The language in which losses and statistics cross the backend boundary. A value is an array over the *tokens* of a
 * batch (the targets of all rows, one after the other) or over its *rows* (sequences); constants fit both. Nothing
 * here is a mean: whoever builds a loss gives the weights, so a batch may be computed in pieces and summed.
 */
export type Expression =
  /** Log-probability of each target token under the model, temperature applied. Tokens. */
  | { readonly op: "logProbabilities" }
  /** Entropy in nats of the distribution each target token was drawn from. Tokens. */
  | { readonly op: "entropy" }
  /** Value-head output for the state before each target token. Tokens. */
  | { readonly op: "values" }
  /** Score-head output at the last token of each row. Rows. */
  | { readonly op: "scores" }
  /** An array of the batch, by name. No gradient. */
  | { readonly op: "given"; readonly name: string; readonly over: Domain }
  | { readonly op: "constant"; readonly value: number }
  | { readonly op: UnaryOperation; readonly of: Expression }
  | { readonly op: BinaryOperation; readonly left: Expression; readonly right: Expression }
  /** min(max(of, low), high); gradient 1 inside and at the bounds, 0 outside. */
  | { readonly op: "clip"; readonly of: Expression; readonly low: number; readonly high: number }
  /** Row values picked by the indices (whole numbers) in a given row array: result[i] = of[indices[i]]. Rows. */
  | { readonly op: "take"; readonly of: Expression; readonly indices: string }
  /** The sum of a token array over each row's targets; 0 for a row without any. Rows. */
  | { readonly op: "rowSums"; readonly of: Expression };

/** logSigmoid is stable for large arguments; stopGradient passes its value and no gradient. */
export type UnaryOperation = "negate" | "exp" | "log" | "square" | "absolute" | "logSigmoid" | "stopGradient";

/** maximum and minimum send the gradient to the left operand on ties; greater gives 1 or 0 and has no gradient. */
export type BinaryOperation = "add" | "subtract" | "multiply" | "divide" | "maximum" | "minimum" | "greater";

export type Domain = "tokens" | "rows";

/**
 * A loss or a statistic: the terms' sums over their whole domains, added up. Terms may live on different domains.
 */
export type Sum = readonly Expression[];

export const logProbabilities: Expression = { op: "logProbabilities" };
export const entropy: Expression = { op: "entropy" };
export const values: Expression = { op: "values" };
export const scores: Expression = { op: "scores" };

export const constant = (value: number): Expression => ({ op: "constant", value });
export const perToken = (name: string): Expression => ({ op: "given", name, over: "tokens" });
export const perRow = (name: string): Expression => ({ op: "given", name, over: "rows" });

const unary = (op: UnaryOperation) => (of: Expression): Expression => ({ op, of });
export const negate = unary("negate");
export const exp = unary("exp");
export const log = unary("log");
export const square = unary("square");
export const absolute = unary("absolute");
export const logSigmoid = unary("logSigmoid");
export const stopGradient = unary("stopGradient");

const binary = (op: BinaryOperation) => (left: Expression, right: Expression): Expression => ({ op, left, right });
export const add = binary("add");
export const subtract = binary("subtract");
export const multiply = binary("multiply");
export const divide = binary("divide");
export const maximum = binary("maximum");
export const minimum = binary("minimum");
export const greater = binary("greater");

export const clip = (of: Expression, low: number, high: number): Expression => ({ op: "clip", of, low, high });
export const take = (of: Expression, indices: string): Expression => ({ op: "take", of, indices });
export const rowSums = (of: Expression): Expression => ({ op: "rowSums", of });
