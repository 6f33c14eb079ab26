import { type Value, microsoft } from "./graph.js";
import { type Tape, sumOf, sumOfRows } from "./tape.js";

// Differentiable operations: each emits its nodes and notes how to emit its vector-Jacobian product. Rows are [n, width].

export interface LinearOptions {
  readonly bias?: Value;
  /** Added to the product, such as the residual stream. [n, out] */
  readonly residual?: Value;
  /** The weight is [out, in], as an embedding used as LM head. */
  readonly transposed?: boolean;
  /** Multiplies the product alone. */
  readonly scale?: number;
}

/** x · weight · scale + bias + residual, weight [in, out]. */
export function linear(tape: Tape, x: Value, weight: Value, { bias, residual, transposed = false, scale = 1 }: LinearOptions = {}): Value {
  const { graph } = tape;
  const alpha = { float: scale };
  const product = graph.node("Gemm", [x, weight, bias ?? residual], { transB: transposed ? 1 : 0, alpha });
  const output = bias !== undefined && residual !== undefined ? graph.node("Add", [product, residual]) : product;
  return tape.recordOne(output, [x, weight, bias, residual], (gradient, flow) => {
    flow.add(x, (sum) => graph.node("Gemm", [gradient, weight, sum], { transB: transposed ? 0 : 1, alpha }));
    const [left, right] = transposed ? [gradient, x] : [x, gradient];
    flow.add(weight, (sum) => graph.node("Gemm", [left, right, sum], { transA: 1, alpha }));
    if (bias !== undefined) flow.add(bias, (sum) => sumOf(graph, sum, sumOfRows(tape, gradient)));
    if (residual !== undefined) flow.add(residual, (sum) => sumOf(graph, sum, gradient));
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

const geluSlope = Math.sqrt(2 / Math.PI);
const geluCube = 0.044715;

/** ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))): gelu_new of transformers. */
export function gelu(tape: Tape, x: Value): Value {
  const { graph } = tape;
  const times = (value: Value, by: number): Value => graph.node("Mul", [value, graph.constant(by)]);
  const plus = (value: Value, more: number): Value => graph.node("Add", [value, graph.constant(more)]);
  const square = graph.node("Mul", [x, x]);
  const tanh = graph.node("Tanh", [graph.node("Mul", [x, plus(times(square, geluSlope * geluCube), geluSlope)])]);
  const gate = plus(times(tanh, 0.5), 0.5);
  return tape.recordOne(graph.node("Mul", [x, gate]), [x], (gradient, flow) => flow.add(x, (sum) => {
    // gate + ½ x (1 − tanh²) √(2/π) (1 + 3 · 0.044715 x²)
    const inner = graph.node("Mul", [x, plus(times(square, 1.5 * geluSlope * geluCube), geluSlope / 2)]);
    const curve = graph.node("Sub", [inner, graph.node("Mul", [inner, graph.node("Mul", [tanh, tanh])])]);
    return sumOf(graph, sum, graph.node("Mul", [gradient, graph.node("Add", [gate, curve])]));
  }));
}

/** The columns of rows in pieces of the given widths, side by side. */
export function splitColumns(tape: Tape, x: Value, widths: readonly number[]): readonly Value[] {
  const { graph } = tape;
  const pieces = graph.multiple("Split", [x, graph.constant(widths, "int64")], { axis: -1 }, { outputs: widths.length });
  tape.record(pieces, [x], (gradients, flow) => flow.add(x, (sum) => {
    const zeros = (like: Value): Value =>
      graph.node("ConstantOfShape", [graph.node("Shape", [like], {}, { type: "int64" })], {}, { type: "float32" });
    return sumOf(graph, sum, graph.node("Concat", gradients.map((gradient, index) => gradient ?? zeros(pieces[index]!)), { axis: -1 }));
  }));
  return pieces;
}

/** The same numbers as rows of another width. */
export function reshapeRows(tape: Tape, x: Value, width: number): Value {
  const { graph } = tape;
  return tape.recordOne(graph.node("Reshape", [x, graph.constant([-1, width], "int64")]), [x], (gradient, flow) =>
    flow.add(x, (sum) => sumOf(graph, sum, graph.node("Reshape", [gradient, graph.node("Shape", [x], {}, { type: "int64" })]))));
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
