import { z } from "zod";

const runningMomentsSchema = z.strictObject({ count: z.number(), mean: z.number(), squares: z.number() });

/** Mean and variance over all numbers seen so far (Chan's parallel update). Its state goes into checkpoints. */
export class RunningMoments {
  private count = 0;
  private centre = 0;
  private squares = 0;

  add(numbers: ArrayLike<number>): void {
    const count = numbers.length;
    if (count === 0) return;
    let mean = 0;
    for (let i = 0; i < count; i++) mean += numbers[i]! / count;
    let squares = 0;
    for (let i = 0; i < count; i++) squares += (numbers[i]! - mean) ** 2;
    const total = this.count + count;
    const shift = mean - this.centre;
    this.centre += (shift * count) / total;
    this.squares += squares + (shift * shift * this.count * count) / total;
    this.count = total;
  }

  get mean(): number {
    return this.centre;
  }

  /** With the divisor n − 1; 1 until two different numbers were seen, so that dividing by it is safe. */
  get std(): number {
    return this.count > 1 && this.squares > 0 ? Math.sqrt(this.squares / (this.count - 1)) : 1;
  }

  state(): z.output<typeof runningMomentsSchema> {
    return { count: this.count, mean: this.centre, squares: this.squares };
  }

  restore(state: unknown): void {
    const { count, mean, squares } = runningMomentsSchema.parse(state);
    this.count = count;
    this.centre = mean;
    this.squares = squares;
  }
}
