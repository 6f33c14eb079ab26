import type { Dataset } from "../data/dataset.js";
import type { Rows } from "../data/row-list.js";
import { permutation, randomAt } from "../foundation/random.js";
import type { DataUse } from "../schemas/stages/table.js";
import { BatchOrder, nothingToTrainOn, type RowOrder } from "./batches.js";

/** Rows after which every entry has had its share, to one row. */
const blockRows = 1000;

/**
 * Which part of a mixture each of an endless number of rows is drawn from. In every thousand rows each part has its
 * share, at least one row, in a random order of its own; it follows from seed and position alone.
 */
export class Mixture {
  private readonly quotas: readonly number[];
  private block = -1;
  private parts: Int32Array = new Int32Array(0);
  private ranks: Int32Array = new Int32Array(0);

  constructor(private readonly seed: number, weights: readonly number[]) {
    this.quotas = quotasOf(weights);
  }

  /** The part of the row at a position from 0, and how many rows before it were of that part. */
  at(position: number): { readonly part: number; readonly nth: number } {
    const block = Math.floor(position / blockRows);
    if (block !== this.block) this.fill(block);
    const part = this.parts[position % blockRows]!;
    return { part, nth: block * this.quotas[part]! + this.ranks[position % blockRows]! };
  }

  private fill(block: number): void {
    const inOrder = this.quotas.flatMap((quota, part) => Array.from({ length: quota }, () => part));
    this.parts = Int32Array.from(permutation(randomAt(this.seed, "mixture", block), blockRows), (place) => inOrder[place]!);
    const seen = this.quotas.map(() => 0);
    this.ranks = this.parts.map((part) => seen[part]!++);
    this.block = block;
  }
}

/** Whole rows of a block in proportion to the weights, by largest remainders, none without a row. */
function quotasOf(weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const free = blockRows - weights.length;
  const exact = weights.map((weight) => (free * weight) / sum);
  const quotas = exact.map((share) => 1 + Math.floor(share));
  const left = blockRows - quotas.reduce((total, quota) => total + quota, 0);
  const byRemainder = exact.map((share, part) => ({ part, remainder: share - Math.floor(share) })).sort((a, b) => b.remainder - a.remainder || a.part - b.part);
  for (const { part } of byRemainder.slice(0, left)) quotas[part]!++;
  return quotas;
}

/** Rows of several entries, each drawn by its weight, those of an entry in shuffled epochs of their own. */
class MixedOrder implements RowOrder {
  private readonly mixture: Mixture;
  private readonly orders: readonly BatchOrder[];

  constructor(seed: number, private readonly parts: readonly Part[], private readonly batch: number) {
    this.mixture = new Mixture(seed, parts.map(({ weight }) => weight));
    this.orders = parts.map(({ count }, part) => new BatchOrder(seed, count, 1, part));
  }

  at(step: number): number[] {
    return Array.from({ length: this.batch }, (_, index) => {
      const { part, nth } = this.mixture.at(step * this.batch + index);
      return this.parts[part]!.start + this.orders[part]!.at(nth)[0]!;
    });
  }
}

interface Part {
  readonly start: number;
  readonly count: number;
  readonly weight: number;
}

/**
 * The order in which a stage goes through its rows. `places` says, ascending, which of the data's rows they are.
 * Errors: TL_TRAIN_NOTHING, also where an entry of a mixture has no row.
 */
export function trainingOrder(seed: number, data: Dataset, use: DataUse, places: Rows<number>, batch: number): RowOrder {
  if (data.shares === undefined) return new BatchOrder(seed, places.length, batch);
  return new MixedOrder(seed, partsOf(data.shares.map(({ weight, train }) => ({ weight, count: train[use] })), places), batch);
}

/** Where the rows of each share lie among those that are used. */
export function partsOf(shares: readonly { readonly weight: number; readonly count: number }[], places: Rows<number>): Part[] {
  let end = 0;
  let start = 0;
  return shares.map(({ weight, count }) => {
    end += count;
    const part = { start, count: firstAtLeast(places, end) - start, weight };
    if (part.count === 0) throw nothingToTrainOn();
    start += part.count;
    return part;
  });
}

/** The index of the first place that is at least `least`. */
function firstAtLeast(places: Rows<number>, least: number): number {
  let [low, high] = [0, places.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places.at(middle)! < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
