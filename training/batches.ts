import { TruelineError } from "../foundation/errors.js";
import { permutation, randomAt } from "../foundation/random.js";

/** Steps that `epochs` passes over `count` rows take, capped by `maxSteps`. At least 1. */
export function stepCount(count: number, batch: number, epochs: number, maxSteps: number = Infinity): number {
  return Math.max(1, Math.min(maxSteps, Math.ceil((epochs * count) / batch)));
}

/** Which rows a step trains on. */
export interface RowOrder {
  /** Row indices of step `step`, from 0. */
  at(step: number): number[];
}

/**
 * Which of `count` rows a step trains on. The epochs' shuffled orders follow one another without a gap, and a batch
 * may span two of them; the cursor is step · batch, so nothing needs saving.
 */
export class BatchOrder implements RowOrder {
  private epoch = -1;
  private order: Int32Array = new Int32Array(0);

  private readonly path: readonly number[];

  /** @param path sets the order apart from others of the same seed. */
  constructor(private readonly seed: number, private readonly count: number, private readonly batch: number, ...path: readonly number[]) {
    this.path = path;
    if (count === 0) throw nothingToTrainOn();
  }

  at(step: number): number[] {
    return Array.from({ length: this.batch }, (_, index) => this.row(step * this.batch + index));
  }

  private row(position: number): number {
    const epoch = Math.floor(position / this.count);
    if (epoch !== this.epoch) {
      this.order = permutation(randomAt(this.seed, "order", ...this.path, epoch), this.count);
      this.epoch = epoch;
    }
    return this.order[position % this.count]!;
  }
}

/** Consecutive groups of at most `size` items. */
export function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  return [...inChunks(items, size)];
}

/** The same, one group after another, of rows that need not be in memory. */
export function* inChunks<Item>(items: Iterable<Item>, size: number): Generator<Item[]> {
  let chunk: Item[] = [];
  for (const item of items) {
    if (chunk.push(item) < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

export function nothingToTrainOn(): TruelineError {
  return new TruelineError("TL_TRAIN_NOTHING", "The training split has no row that this stage could use.", {
    hint: "Check the data entry's `holdout` and the stage's row limits.",
  });
}
