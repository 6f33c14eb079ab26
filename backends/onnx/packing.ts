import { Tensor } from "onnxruntime-node";
import { lazily } from "../../foundation/lazily.js";
import type { Batch } from "../backend.js";
import type { Placement } from "./attention.js";
import type { GraphBuilder, Value } from "./graph.js";

/**
 * Which rows the model's head reads: those before a target token, the last of each sequence, or both. The last layer
 * computes these alone.
 */
export interface Selection {
  readonly targets: boolean;
  readonly last: boolean;
}

/** Graph inputs that say how sequences were packed into rows [n, …] without padding. Names are those of `pack`. */
export interface PackedInputs {
  /** Token of each row. [n] */
  readonly tokens: Value;
  /** Place of each row in its sequence. [n, 1] */
  readonly positions: Value;
  readonly all: Placement;
  /** Rows that the head reads, ascending, and where their queries lie. [s] */
  readonly selected: Value;
  readonly selectedPlacement: Placement;
  /** Places among the selected rows: those before targets [m], and last ones [b]. */
  readonly beforeTargets: Value;
  readonly last: Value;
  /** The target tokens. [m] */
  readonly targetTokens: Value;
  /** The row of each target token, [m], and a zero for each row, [b]; made when first asked for. */
  readonly rowsOfTargets: () => { readonly rows: Value; readonly zeros: Value };
}

export function packedInputs(graph: GraphBuilder, heads: number): PackedInputs {
  const input = (name: string, ...shape: readonly (string | number)[]): Value => graph.input(name, "int32", shape);
  const placement = (name: string, rows: string): Placement => ({
    rows: input(`${name}.rows`, "time", "sequences"),
    slots: input(`${name}.slots`, rows, heads),
  });
  const wide = (narrow: Value): Value => graph.node("Cast", [narrow], { to: 7 }, { type: "int64" });
  const tokens = input("tokens", "n");
  const positions = wide(input("positions", "n", 1));
  const all = placement("all", "n");
  return {
    tokens, positions, all,
    selected: wide(input("selected", "s")),
    selectedPlacement: placement("selection", "s"),
    beforeTargets: wide(input("beforeTargets", "m")),
    last: wide(input("last", "b")),
    targetTokens: input("targetTokens", "m"),
    rowsOfTargets: lazily(() => {
      const sizes = graph.node("Shape", [all.rows], {}, { type: "int64" });
      const batch = graph.node("Gather", [sizes, graph.constant([1], "int64")]);
      return { rows: wide(input("targetRows", "m")), zeros: graph.node("ConstantOfShape", [batch], {}, { type: "float32" }) };
    }),
  };
}

/** A batch without padding, as the graph's inputs. */
export function pack({ sequences, targets }: Batch, selection: Selection, heads: number): Record<string, Tensor> {
  const batch = sequences.length;
  const time = sequences.reduce((longest, { length }) => Math.max(longest, length), 0);
  const rows = sequences.reduce((sum, { length }) => sum + length, 0);
  const tokens = new Int32Array(rows);
  const positions = new Int32Array(rows);
  const grid = new Int32Array(time * batch).fill(-1);
  const selectedGrid = new Int32Array(time * batch).fill(-1);
  const slots = new Int32Array(rows * heads);
  const selected: number[] = [];
  const selectedSlots: number[] = [];
  const beforeTargets: number[] = [];
  const last: number[] = [];
  const targetTokens: number[] = [];
  const targetRows: number[] = [];

  let row = 0;
  sequences.forEach((sequence, index) => {
    const own = targets[index]!;
    let next = 0;
    tokens.set(sequence, row);
    for (let at = 0; at < sequence.length; at++, row++) {
      positions[row] = at;
      grid[at * batch + index] = row;
      for (let head = 0; head < heads; head++) slots[row * heads + head] = (index * heads + head) * time + at;
      const isBefore = selection.targets && own[next] === at + 1;
      const isLast = selection.last && at === sequence.length - 1;
      if (!isBefore && !isLast) continue;
      if (isBefore) {
        targetTokens.push(sequence[at + 1]!);
        targetRows.push(index);
        beforeTargets.push(selected.length);
        next++;
      }
      if (isLast) last.push(selected.length);
      selectedGrid[at * batch + index] = selected.length;
      for (let head = 0; head < heads; head++) selectedSlots.push(slots[row * heads + head]!);
      selected.push(row);
    }
  });

  const tensor = (data: Int32Array | readonly number[], ...shape: readonly number[]): Tensor =>
    new Tensor("int32", data instanceof Int32Array ? data : Int32Array.from(data), shape);
  return {
    tokens: tensor(tokens, rows),
    positions: tensor(positions, rows, 1),
    "all.rows": tensor(grid, time, batch),
    "all.slots": tensor(slots, rows, heads),
    selected: tensor(selected, selected.length),
    "selection.rows": tensor(selectedGrid, time, batch),
    "selection.slots": tensor(selectedSlots, selected.length, heads),
    beforeTargets: tensor(beforeTargets, beforeTargets.length),
    last: tensor(last, last.length),
    targetTokens: tensor(targetTokens, targetTokens.length),
    targetRows: tensor(targetRows, targetRows.length),
  };
}
