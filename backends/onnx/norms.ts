import type { Value } from "./graph.js";
import { type Tape, sumOf, sumOfRows } from "./tape.js";

// Differentiable normalisations over the last axis of rows [n, width].

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

/** (x − mean(x)) / √(variance(x) + ε) · weight + bias over the last axis. */
export function layerNorm(tape: Tape, x: Value, weight: Value, bias: Value, epsilon: number): Value {
  const { graph } = tape;
  const [output, mean, inverse] = graph.multiple(
    "LayerNormalization", [x, weight, bias], { axis: -1, epsilon: { float: epsilon }, stash_type: 1 }, { outputs: 3 });
  return tape.recordOne(output!, [x, weight, bias], (gradient, flow) => {
    const unit = graph.node("Mul", [graph.node("Sub", [x, mean!]), inverse!]);
    flow.add(weight, (sum) => sumOf(graph, sum, sumOfRows(tape, graph.node("Mul", [gradient, unit]))));
    flow.add(bias, (sum) => sumOf(graph, sum, sumOfRows(tape, gradient)));
    flow.add(x, (sum) => {
      const meanOf = (rows: Value): Value => graph.node("ReduceMean", [rows, graph.constant([-1], "int64")], { keepdims: 1 });
      const scaled = graph.node("Mul", [gradient, weight]);
      // what the normalisation takes away: the gradient's mean, and its part along x
      const along = graph.node("Mul", [unit, meanOf(graph.node("Mul", [scaled, unit]))]);
      const rest = graph.node("Sub", [graph.node("Sub", [scaled, meanOf(scaled)]), along]);
      return sumOf(graph, sum, graph.node("Mul", [rest, inverse!]));
    });
  });
}
