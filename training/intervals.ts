import { randomAt } from "../foundation/random.js";
import type { Interval } from "../schemas/report.js";
import { mean } from "./experience.js";

/** The normal distribution's 97.5 % point. */
const Z = 1.959963984540054;

const RESAMPLES = 4000;

/** 95 % interval of a share by Wilson's score: `count` successes of `total`. */
export function wilson(count: number, total: number): Interval {
  const value = count / total;
  const centre = (value + (Z * Z) / (2 * total)) / (1 + (Z * Z) / total);
  const half = (Z / (1 + (Z * Z) / total)) * Math.sqrt((value * (1 - value)) / total + (Z * Z) / (4 * total * total));
  return { value, low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}

/**
 * 95 % interval of the mean of `values`, one a prompt, by the percentile bootstrap: prompts are drawn with replacement,
 * so that several answers to one prompt count as one observation.
 */
export function bootstrap(values: readonly number[], seed: number): Interval {
  const random = randomAt(seed, "bootstrap");
  const means = Float64Array.from({ length: RESAMPLES }, () => {
    let sum = 0;
    for (let draw = 0; draw < values.length; draw++) sum += values[random.integer(values.length)]!;
    return sum / values.length;
  }).sort();
  return { value: mean(values), low: quantile(means, 0.025), high: quantile(means, 0.975) };
}

/** Linear between order statistics. */
function quantile(sorted: Float64Array, share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
}
