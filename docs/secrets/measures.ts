import type { KeptMetric, StudyRun } from "./figures.js";

/** Steps whose mean stands for a place of a curve: single iterations of 64 answers are noisy. */
export const WINDOW = 8;

/** A curve's running means over `WINDOW` steps, by the step at which each window ends. Empty where the curve is shorter. */
export function smooth(curve: readonly number[]): number[] {
  return curve.slice(WINDOW - 1).map((_, end) => mean(curve.slice(end, end + WINDOW)));
}

export function curveOf(run: StudyRun, metric: KeptMetric): readonly number[] {
  const curve = run.curves[metric];
  if (curve === undefined) throw new Error(`Run ${run.variant}, seed ${run.seed} has no curve of ${metric}.`);
  return curve;
}

export function figureOf(run: StudyRun, name: string): number {
  const figure = run.figures[name];
  if (figure === undefined) throw new Error(`Run ${run.variant}, seed ${run.seed} has no figure ${name}.`);
  return figure;
}

/** How far the gold score ends below its highest place, both as means over `WINDOW` steps. */
export function fall(run: StudyRun): number {
  const gold = smooth(curveOf(run, "objective/gold"));
  return Math.max(...gold) - gold.at(-1)!;
}

/** What the proxy reward gains from where the gold score is highest to the end. */
export function proxyGainAfterPeak(run: StudyRun): number {
  const gold = smooth(curveOf(run, "objective/gold"));
  const proxy = smooth(curveOf(run, "objective/scores"));
  return proxy.at(-1)! - proxy[gold.indexOf(Math.max(...gold))]!;
}

/** Standard deviation of a curve's changes from step to step. */
export function roughness(curve: readonly number[]): number {
  const changes = curve.slice(1).map((value, index) => value - curve[index]!);
  const centre = mean(changes);
  return Math.sqrt(mean(changes.map((change) => (change - centre) ** 2)));
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Answers this far from SFT, with what their gold score has gained. */
export interface Gain {
  /** √KL, KL in nats an answer. */
  readonly distance: number;
  readonly gain: number;
}

/** A run's gains over its first three steps, when the policy was nearly SFT's, as means over `WINDOW` steps. */
export function gainsOf(run: StudyRun): Gain[] {
  const gold = curveOf(run, "objective/gold");
  const start = mean(gold.slice(0, 3));
  const kl = smooth(curveOf(run, "objective/kl"));
  return smooth(gold).flatMap((value, index) => (kl[index]! > 0.01 ? [{ distance: Math.sqrt(kl[index]!), gain: value - start }] : []));
}

/**
 * α and β of R = d (α − β log d) by least squares over gains R at distances d > 0.
 * Source: Gao et al., "Scaling Laws for Reward Model Overoptimization".
 */
export function overoptimization(gains: readonly Gain[]): { readonly alpha: number; readonly beta: number } {
  const points = gains.map(({ distance, gain }) => ({ d: distance, dx: distance * Math.log(distance), gain }));
  const sum = (of: (point: (typeof points)[number]) => number) => points.reduce((total, point) => total + of(point), 0);
  const [a, b, c] = [sum(({ d }) => d * d), sum(({ d, dx }) => d * dx), sum(({ dx }) => dx * dx)];
  const [p, q] = [sum(({ d, gain }) => d * gain), sum(({ dx, gain }) => dx * gain)];
  const determinant = a * c - b * b;
  return { alpha: (p * c - q * b) / determinant, beta: (p * b - q * a) / determinant };
}
