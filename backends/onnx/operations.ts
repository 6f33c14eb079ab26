import { type Value, microsoft } from "./graph.js";
import { type Tape, sumOf } from "./tape.js";

// Differentiable operations: each emits its nodes and notes how to emit its vector-Jacobian product. Rows are [n, width].

export interface LinearOptions {
  readonly bias?: Value;
  /** Added to the product, such as the residual stream. [n, out] */
  readonly residual?: Value;
  /** The weight is [out, in], as an embedding used as LM head. */
  readonly transposed?: boolean;
}

/** x · weight + bias + residual, weight [in, out]. */
export function linear(tape: Tape, x: Value, weight: Value, { bias, residual, transposed = false }: LinearOptions = {}): Value {
  const { graph } = tape;
  const product = graph.node("Gemm", [x, weight, bias ?? residual], { transB: transposed ? 1 : 0 });
  const output = bias !== undefined && residual !== undefined ? graph.node("Add", [product, residual]) : product;
  return tape.recordOne(output, [x, weight, bias, residual], (gradient, flow) => {
    flow.add(x, (sum) => graph.node("Gemm", [gradient, weight, sum], { transB: transposed ? 0 : 1 }));
    const [left, right] = transposed ? [gradient, x] : [x, gradient];
    flow.add(weight, (sum) => graph.node("Gemm", [left, right, sum], { transA: 1 }));
    if (bias !== undefined) flow.add(bias, (sum) => sumOf(graph, sum, sumOfRows(tape, gradient)));
    if (residual !== undefined) flow.add(residual, (sum) => sumOf(graph, sum, gradient));
  });
}

/** x / √(mean(x²) + ε) · weight over the last axis. */
export function rmsNorm(tape: Tape, x: Value, weight: Value, epsilon: number): Value {
  const { graph } = tape;
  const [output, inverse] = graph.multiple(
    "SimplifiedLayerNormalization", [x, weight], { axis: -1, epsilon: { float: epsilon }, stash_type: 1 }, { outputs: 2 });
  return tape.recordOne(output!, [x, weight], (gradient, flow) => {
    const unit = graph.node("Mul", [x, inverse!]);
    const along = graph.node("Mul", [gradient, unit]);
    flow.add(weight, (sum) => sumOf(graph, sum, sumOfRows(tape, along)));
    flow.add(x, (sum) => {
      const scaled = graph.node("Mul", [gradient, weight]);
      // what the normalisation takes away: the part of the gradient along x
      const mean = graph.node("ReduceMean", [graph.node("Mul", [along, weight]), graph.constant([-1], "int64")], { keepdims: 1 });
      const rest = graph.node("Sub", [scaled, graph.node("Mul", [unit, mean])]);
      return sumOf(graph, sum, graph.node("Mul", [rest, inverse!]));
    });
  });
}

/** silu(gate) · up. */
export function swiGlu(tape: Tape, gate: Value, up: Value): Value {
  const { graph } = tape;
  const sigmoid = graph.node("Sigmoid", [gate]);
  const silu = graph.node("Mul", [gate, sigmoid]);
  return tape.recordOne(graph.node("Mul", [silu, up]), [gate, up], (gradient, flow) => {
    flow.add(up, (sum) => sumOf(graph, sum, graph.node("Mul", [gradient, silu])));
    flow.add(gate, (sum) => {
      // silu' = σ + silu · (1 − σ)
      const slope = graph.node("Sub", [graph.node("Add", [sigmoid, silu]), graph.node("Mul", [silu, sigmoid])]);
      return sumOf(graph, sum, graph.node("Mul", [graph.node("Mul", [gradient, up]), slope]));
    });
  });
}

/** Rows of a table; their gradient leaves the graph as rows, since the table is large and the rows are few. */
export function embedding(tape: Tape, table: Value, tokens: Value): Value {
  const output = tape.graph.node("Gather", [table, tokens]);
  return tape.recordOne(output, [table], (gradient, flow) => flow.addRows(table, gradient));
}

/** Rows of x by an index in which none comes twice. */
export function gatherRows(tape: Tape, x: Value, index: Value): Value {
  const { graph } = tape;
  return tape.recordOne(graph.node("Gather", [x, index]), [x], (gradient, flow) => flow.add(x, (sum) => {
    const base = sum ?? graph.node("ConstantOfShape", [graph.node("Shape", [x], {}, { type: "int64" })], {}, { type: "float32" });
    // without a reduction: ScatterND's sums go wrong on two threads, and unique rows need none
    const at = graph.node("Unsqueeze", [index, graph.constant([-1], "int64")]);
    const rows = sum === undefined ? gradient : graph.node("Add", [graph.node("Gather", [sum, index]), gradient]);
    return graph.node("ScatterND", [base, at, rows]);
  }));
}

/** The cosine and sine caches of rotary positions, [context, headSize / 2], and the negated sine that turns back. */
export interface Rotation {
  readonly cosine: Value;
  readonly sine: Value;
  readonly backSine: Value;
}

/** Turns each head of the rows by its position, halves of a head paired. `positions` is [n, 1]. */
export function rotate(tape: Tape, x: Value, positions: Value, rotation: Rotation): Value {
  const { graph } = tape;
  const middle = graph.constant([1], "int64");
  const turn = (rows: Value, sine: Value): Value => {
    const sequences = graph.node("Unsqueeze", [rows, middle]);
    return graph.node("Squeeze", [
      graph.node("RotaryEmbedding", [sequences, positions, rotation.cosine, sine], {}, { domain: microsoft }), middle]);
  };
  return tape.recordOne(turn(x, rotation.sine), [x], (gradient, flow) =>
    flow.add(x, (sum) => sumOf(graph, sum, turn(gradient, rotation.backSine))));
}

function sumOfRows({ graph }: Tape, rows: Value): Value {
  return graph.node("ReduceSum", [rows, graph.constant([0], "int64")], { keepdims: 0 });
}
