import { TruelineError } from "../foundation/errors.js";
import { permutation, randomAt } from "../foundation/random.js";

/** Steps that `epochs` passes over `count` rows take, capped by `maxSteps`. At least 1. */
export function stepCount(count: number, batch: number, epochs: number, maxSteps: number = Infinity): number {
  return Math.max(1, Math.min(maxSteps, Math.ceil((epochs * count) / batch)));
}

/**
 * Which of `count` rows a step trains on. The epochs' shuffled orders follow one another without a gap, and a batch
 * may span two of them; the cursor is step · batch, so nothing needs saving.
 */
export class BatchOrder {
  private epoch = -1;
  private order: Int32Array = new Int32Array(0);

  constructor(private readonly seed: number, private readonly count: number, private readonly batch: number) {
    if (count === 0) throw nothingToTrainOn();
  }

  /** Row indices of step `step`, from 0. */
  at(step: number): number[] {
    return Array.from({ length: this.batch }, (_, index) => this.row(step * this.batch + index));
  }

  private row(position: number): number {
    const epoch = Math.floor(position / this.count);
    if (epoch !== this.epoch) {
      this.order = permutation(randomAt(this.seed, "order", epoch), this.count);
      this.epoch = epoch;
    }
    return this.order[position % this.count]!;
  }
}

/** Consecutive groups of at most `size` items. */
export function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));
}

export function nothingToTrainOn(): TruelineError {
  return new TruelineError("TL_TRAIN_NOTHING", "The training split has no row that this stage could use.", {
    hint: "Check the data entry's `holdout` and the stage's row limits.",
  });
}
