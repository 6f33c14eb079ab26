import type { Value } from "./graph.js";
import type { Tape } from "./tape.js";

/**
 * Log-probability of each row's target and entropy of each row's distribution, [n] both, from logits [n, vocabulary].
 * The gradient of both is taken at once: p ∘ (c + a ∘ logits), with the target's log-probability added at its place.
 */
export function crossEntropy(tape: Tape, logits: Value, targets: Value): { readonly logProbabilities: Value; readonly entropy: Value } {
  const { graph } = tape;
  const last = graph.constant([-1], "int64");
  const overVocabulary = (operator: string, x: Value): Value => graph.node(operator, [x, last], { keepdims: 1 });
  const flat = (column: Value): Value => graph.node("Squeeze", [column, last]);
  const column = (row: Value): Value => graph.node("Unsqueeze", [row, last]);

  const probabilities = graph.node("Softmax", [logits], { axis: -1 });
  // log Σ exp from the likeliest token, whose probability is far from 0
  const logSum = graph.node("Sub", [
    overVocabulary("ReduceMax", logits), graph.node("Log", [overVocabulary("ReduceMax", probabilities)])]);
  const at = column(targets);
  const logProbabilities = flat(graph.node("Sub", [graph.node("GatherElements", [logits, at], { axis: 1 }), logSum]));
  const mean = overVocabulary("ReduceSum", graph.node("Mul", [probabilities, logits]));
  const entropyColumn = graph.node("Sub", [logSum, mean]);
  const entropy = flat(entropyColumn);

  tape.record([logProbabilities, entropy], [logits], ([ofLog, ofEntropy], flow) => flow.add(logits, (sum) => {
    const minus = (row: Value): Value => graph.node("Neg", [column(row)]);
    // −p · g from the log-probability, −p · (logits − mean) · g from the entropy
    let factor = ofLog === undefined ? undefined : minus(ofLog);
    if (ofEntropy !== undefined) {
      const slope = minus(ofEntropy);
      const shift = graph.node("Mul", [slope, mean]);
      const start = factor === undefined ? graph.node("Neg", [shift]) : graph.node("Sub", [factor, shift]);
      factor = graph.node("Add", [graph.node("Mul", [logits, slope]), start]);
    }
    const product = graph.node("Mul", [probabilities, factor!]);
    const gradient = ofLog === undefined ? product
      : graph.node("ScatterElements", [product, at, column(ofLog)], { axis: 1, reduction: "add" });
    return sum === undefined ? gradient : graph.node("Add", [sum, gradient]);
  }));
  return { logProbabilities, entropy };
}
