import { randomAt } from "../foundation/random.js";
import type { Interval } from "../schemas/report.js";
import { mean } from "./experience.js";

/** The normal distribution's 97.5 % point. */
const Z = 1.959963984540054;

export const RESAMPLES = 4000;

/** What `clusteredShare` makes of pairs, in words for the reader of a report. */
export const clusteredWords = "95 % intervals by Wilson's score, with as many observations as the spread between prompts allows: pairs of one prompt do not count as several prompts.";

/** 95 % interval of a share by Wilson's score: `count` successes of `total`. */
export function wilson(count: number, total: number): Interval {
  return score(count / total, total);
}

/**
 * 95 % interval of the mean of shares in [0, 1], one a prompt, each the mean of up to `most` comparisons: Wilson's score with as
 * many observations as would give the spread that the prompts have, no fewer than there are prompts and no more than there are
 * comparisons. Where all prompts agree it is as wide as that of one comparison a prompt. Source: Dean and Pagano, "Evaluating
 * confidence interval methods for binomial proportions in clustered surveys" (2015).
 */
export function sharesInterval(shares: readonly number[], most: number): Interval {
  const value = mean(shares);
  const between = shares.reduce((sum, share) => sum + (share - value) ** 2, 0) / Math.max(1, shares.length - 1);
  const effective = isSure(value) || between === 0 ? shares.length : (shares.length * value * (1 - value)) / between;
  return score(value, Math.min(Math.max(effective, shares.length), shares.length * most));
}

/**
 * 95 % interval of the share of successes among observations that come in clusters, such as pairs of answers to one prompt: Wilson's score
 * with as many observations as would give the spread that the clusters have, no fewer than there are clusters and no more than there are
 * observations. Undefined without an observation. Source: as `sharesInterval`, whose clusters are all of one size.
 */
export function clusteredShare(all: readonly { readonly count: number; readonly total: number }[]): Interval | undefined {
  const clusters = all.filter(({ total }) => total > 0);
  const sum = (of: (cluster: { readonly count: number; readonly total: number }) => number) => clusters.reduce((running, cluster) => running + of(cluster), 0);
  const total = sum((cluster) => cluster.total);
  if (total === 0) return undefined;
  const value = sum(({ count }) => count) / total;
  // The variance of a ratio, by its first-order expansion.
  const spread = clusters.length / Math.max(1, clusters.length - 1) * sum((cluster) => (cluster.count - value * cluster.total) ** 2) / total ** 2;
  const effective = isSure(value) || spread === 0 ? clusters.length : (value * (1 - value)) / spread;
  return score(value, Math.min(Math.max(effective, clusters.length), total));
}

/** Nobody disagrees: how far the prompts could have differed is not known. */
const isSure = (value: number): boolean => value === 0 || value === 1;

function score(value: number, total: number): Interval {
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
  const means = Array.from({ length: RESAMPLES }, () => {
    let sum = 0;
    for (let draw = 0; draw < values.length; draw++) sum += values[random.integer(values.length)]!;
    return sum / values.length;
  });
  return { value: mean(values), ...percentiles(means) };
}

/** The bounds of the middle 95 % of what resamples gave. */
export function percentiles(draws: readonly number[]): Omit<Interval, "value"> {
  const sorted = Float64Array.from(draws).sort();
  return { low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) };
}

/** Linear between order statistics. */
function quantile(sorted: Float64Array, share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
}
