export interface Schedule {
  /** The peak. */
  readonly learningRate: number;
  readonly schedule: "constant" | "linear" | "cosine" | "inverse-square-root";
  /** Share of the steps over which the rate rises to the peak. */
  readonly warmup: number;
  /** Share of the peak at which linear and cosine end. */
  readonly floor: number;
}

/**
 * The learning rate of step `step` (from 0) of `total`. With W = round(warmup · total), the rate is peak · (step + 1)/W
 * while step < W; after that linear and cosine go from the peak at step W to floor · peak at the last step, and
 * inverse-square-root is peak · √(max(W, 1)/(step + 1)). Pure, so a schedule needs no place in a checkpoint.
 */
export function learningRateAt(schedule: Schedule, step: number, total: number): number {
  const warmupSteps = Math.round(schedule.warmup * total);
  if (step < warmupSteps) return (schedule.learningRate * (step + 1)) / warmupSteps;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, total - warmupSteps - 1));
  return schedule.learningRate * shapes[schedule.schedule]({ progress, floor: schedule.floor, step, warmupSteps });
}

interface Point {
  /** 0 at the end of the warmup, 1 at the last step. */
  readonly progress: number;
  readonly floor: number;
  readonly step: number;
  readonly warmupSteps: number;
}

const shapes: Readonly<Record<Schedule["schedule"], (point: Point) => number>> = {
  constant: () => 1,
  linear: ({ progress, floor }) => 1 - (1 - floor) * progress,
  cosine: ({ progress, floor }) => floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress)),
  "inverse-square-root": ({ step, warmupSteps }) => Math.sqrt(Math.max(warmupSteps, 1) / (step + 1)),
};
