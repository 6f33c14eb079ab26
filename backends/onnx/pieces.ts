import type { ModelConfiguration } from "../../models/configuration.js";
import type { Batch } from "../backend.js";
import type { Domain } from "../expressions.js";

/** What a batch is computed for; `whole` is training whose rows may not be parted. */
export type Purpose = "training" | "whole" | "forward";

/**
 * Floats that a run may take for activations. Training keeps them for the way back: 1 GiB. Without gradients small runs
 * cost nothing, keep the cache warm and attention's padding low: 64 MiB.
 */
const floatLimits = { training: 2 ** 28, forward: 2 ** 24 };

/** Some rows of a batch, computed in one run. */
export interface Piece {
  readonly batch: Batch;
  /** Picks the piece's part of an array over the whole batch. */
  take(array: Float32Array, domain: Domain): Float32Array;
  /** Puts a piece's array into one over the whole batch; `width` numbers a token or row, 1 by default. */
  put(part: Float32Array, whole: Float32Array, domain: Domain, width?: number): void;
}

/**
 * Cuts a batch so that each piece fits the memory meant for a run, rows of like length together; a batch that fits
 * stays whole. A single row is never cut.
 * @param most floats of activations, instead of the purpose's own limit.
 */
export function piecesOf(batch: Batch, configuration: ModelConfiguration, purpose: Purpose, most?: number): readonly Piece[] {
  const limit = purpose === "whole" ? Infinity : most ?? floatLimits[purpose];
  const { sequences } = batch;
  const whole = sequences.map((_, row) => row);
  if (floatsOf(batch, whole, configuration, purpose) <= limit) return [pieceOf(batch, whole)];
  const byLength = whole.sort((a, b) => sequences[b]!.length - sequences[a]!.length || a - b);
  const groups: number[][] = [[]];
  for (const row of byLength) {
    const group = groups.at(-1)!;
    if (group.length > 0 && floatsOf(batch, [...group, row], configuration, purpose) > limit) groups.push([row]);
    else group.push(row);
  }
  return groups.map((rows) => pieceOf(batch, rows));
}

/** About how many floats a run of these rows holds at its peak. */
function floatsOf(
  { sequences, targets }: Batch, rows: readonly number[],
  { layers, hidden, intermediate, heads, vocabulary }: ModelConfiguration, purpose: Purpose,
): number {
  const longest = Math.max(...rows.map((row) => sequences[row]!.length));
  const tokens = rows.reduce((sum, row) => sum + sequences[row]!.length, 0);
  const asked = rows.reduce((sum, row) => sum + targets[row]!.length, 0);
  const attention = rows.length * heads * longest ** 2;
  const kept = purpose === "forward" ? 1 : layers;
  return kept * (tokens * (9 * hidden + 5 * intermediate) + attention) + 3 * attention + 3 * asked * vocabulary;
}

function pieceOf(batch: Batch, rows: readonly number[]): Piece {
  const offsets = [0];
  for (const { length } of batch.targets) offsets.push(offsets.at(-1)! + length);
  /** Visits the stretches of an array over the batch that belong to the piece: where they begin here and there. */
  const stretches = (domain: Domain, visit: (at: number, from: number, length: number) => void): void => {
    let at = 0;
    for (const row of rows) {
      const [from, length] = domain === "rows" ? [row, 1] : [offsets[row]!, batch.targets[row]!.length];
      visit(at, from, length);
      at += length;
    }
  };
  return {
    batch: { sequences: rows.map((row) => batch.sequences[row]!), targets: rows.map((row) => batch.targets[row]!) },
    take: (array, domain) => {
      const part = new Float32Array(domain === "rows" ? rows.length : rows.reduce((sum, row) => sum + batch.targets[row]!.length, 0));
      stretches(domain, (at, from, length) => part.set(array.subarray(from, from + length), at));
      return part;
    },
    put: (part, whole, domain, width = 1) => stretches(domain, (at, from, length) => whole.set(part.subarray(width * at, width * (at + length)), width * from)),
  };
}
