import { type Value, microsoft } from "./graph.js";
import type { Tape } from "./tape.js";

/**
 * Where the rows of packed sequences lie in the grid [time, sequence] that attention works on. A grid cell without a
 * row says −1, which picks the last row: right-padding under a causal mask, so what is picked there reaches no real row.
 */
export interface Placement {
  /** The row in each grid cell. [T, B] */
  readonly rows: Value;
  /** Each row's place in an array [B, heads, T] flattened. [n, heads] */
  readonly slots: Value;
}

export interface AttentionShape {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
}

/**
 * Causal attention of grouped queries: queries [s, heads · d], keys and values [n, keyValueHeads · d], all packed, to
 * [s, heads · d]. Queries may be given for some of the rows only.
 * @param mask [T, T] with 0 on and below the diagonal and large negative numbers above.
 */
export function attention(
  tape: Tape,
  [queries, keys, values]: readonly [Value, Value, Value],
  { query, key, mask }: { readonly query: Placement; readonly key: Placement; readonly mask: Value },
  { heads, keyValueHeads, headSize }: AttentionShape,
): Value {
  const { graph } = tape;
  const group = heads / keyValueHeads;
  const ints = (...sizes: readonly number[]): Value => graph.constant(sizes, "int64");
  const reshape = (x: Value, ...sizes: readonly number[]): Value => graph.node("Reshape", [x, ints(...sizes)]);
  const matmul = (left: Value, right: Value, attributes: Readonly<Record<string, number>>, alpha = 1): Value =>
    graph.node("FusedMatMul", [left, right], { ...attributes, alpha: { float: alpha } }, { domain: microsoft });
  const scale = 1 / Math.sqrt(headSize);

  /** Packed rows to [T, B, heads, d]. */
  const spread = (packed: Value, placement: Placement): Value =>
    reshape(graph.node("Gather", [packed, placement.rows]), 0, 0, heads, headSize);
  const spreadGrouped = (packed: Value): Value => {
    if (group === 1) return spread(packed, key);
    const grid = reshape(graph.node("Gather", [packed, key.rows]), 0, 0, keyValueHeads, 1, headSize);
    return reshape(graph.node("Expand", [grid, ints(1, 1, 1, group, 1)]), 0, 0, heads, headSize);
  };
  /** [B, heads, T, d] to packed rows. */
  const collect = (grid: Value, placement: Placement): Value =>
    reshape(graph.node("Gather", [reshape(grid, -1, headSize), placement.slots]), -1, heads * headSize);
  const collectGrouped = (grid: Value): Value => {
    const rows = collect(grid, key);
    if (group === 1) return rows;
    const summed = graph.node("ReduceSum", [reshape(rows, -1, keyValueHeads, group, headSize), ints(2)], { keepdims: 0 });
    return reshape(summed, -1, keyValueHeads * headSize);
  };

  const [q, k, v] = [spread(queries, query), spreadGrouped(keys), spreadGrouped(values)];
  const logits = matmul(q, k, { transBatchA: 1, transBatchB: 1, transB: 1 }, scale);
  const weights = graph.node("Softmax", [graph.node("Add", [logits, mask])], { axis: -1 });
  const output = collect(matmul(weights, v, { transBatchB: 1 }), query);

  return tape.recordOne(output, [queries, keys, values], (gradient, flow) => {
    // a row of zeros at the end, for the grid cells that hold no query
    const spreadZero = (rows: Value, width: number): Value => {
      const zeros = graph.initializer(`zeros_${width}`, new Float32Array(width), [1, width]);
      return graph.node("Gather", [graph.node("Concat", [rows, zeros], { axis: 0 }), query.rows]);
    };
    const g = reshape(spreadZero(gradient, heads * headSize), 0, 0, heads, headSize);
    const products = reshape(graph.node("Mul", [gradient, output]), -1, heads, headSize);
    const sums = spreadZero(graph.node("ReduceSum", [products, ints(2)], { keepdims: 0 }), heads);
    const subtracted = graph.node("Unsqueeze", [graph.node("Transpose", [sums], { perm: [1, 2, 0] }), ints(-1)]);
    const ofWeights = matmul(g, v, { transBatchA: 1, transBatchB: 1, transB: 1 });
    const ofLogits = graph.node("Mul", [weights, graph.node("Sub", [ofWeights, subtracted])]);
    const give = (to: Value, rows: Value): void => flow.add(to, (sum) => sum === undefined ? rows : graph.node("Add", [sum, rows]));
    give(values, collectGrouped(matmul(weights, g, { transA: 1, transBatchB: 1 })));
    give(queries, collect(matmul(ofLogits, k, { transBatchB: 1 }, scale), query));
    give(keys, collectGrouped(matmul(ofLogits, q, { transA: 1, transBatchB: 1 }, scale)));
  });
}
