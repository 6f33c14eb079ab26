import { z } from "zod";
import { mean, variance } from "../experience.js";
import { clamp } from "./clamp.js";

const stateSchema = z.strictObject({ weights: z.array(z.number()), bias: z.number() });

export interface ClassifierSettings {
  readonly learningRate: number;
  /** Steps of gradient ascent over each iteration's answers. */
  readonly steps: number;
  readonly weightDecay: number;
}

/**
 * Two groups and their returns, as a soft partition of a batch: p is each answer's probability of the first group, R its
 * return, s = mean p, K = mean (p − s)(R − R̄). The groups' means are R̄ + K/s and R̄ − K/(1 − s), and the variance between the
 * groups, each counted by its share, s(1 − s)(R_high − R_low)², is K²/(s(1 − s)).
 */
export interface GroupStatistics {
  /** Share of the first group. */
  readonly share: number;
  /** K: covariance of membership with return. */
  readonly covariance: number;
  /** Var_g(R_g) */
  readonly variance: number;
  readonly highReturn: number;
  readonly lowReturn: number;
}

export function groupStatistics(probabilities: ArrayLike<number>, returns: ArrayLike<number>): GroupStatistics {
  const [share, centre] = [mean(probabilities), mean(returns)];
  const covariance = mean(Float64Array.from(probabilities, (probability, row) => (probability - share) * (returns[row]! - centre)));
  return {
    share, covariance, variance: covariance ** 2 / (share * (1 - share)),
    highReturn: centre + covariance / share, lowReturn: centre - covariance / (1 - share),
  };
}

/**
 * Logistic p(high | features) = σ(w · z + b), z the features less the batch's mean, in units of their root mean square. It
 * ascends the standard deviation between the groups, with its sign: (R_high − R_low) √(s(1 − s)), of returns that have mean
 * 0 and variance 1. That has its maxima where the variance has them, tells which of the two groups is called the high one,
 * and is not flat at w = 0, where the classifier starts: no draw is needed. Inference by maximal variance is G's; the
 * form of classifier, objective and optimizer is ours.
 */
export class GroupClassifier {
  private weights: readonly number[] = [];
  private bias = 0;

  constructor(private readonly settings: ClassifierSettings) {}

  /** Probability of the high group for each row of standardised features; never 0 or 1, so that neither group is empty. */
  probabilities(rows: readonly Float64Array[]): Float64Array {
    return Float64Array.from(rows, (row) => 1 / (1 + Math.exp(-clamp(row.reduce((sum, value, at) => sum + value * (this.weights[at] ?? 0), this.bias), 20))));
  }

  /** Some steps of ascent on the rows' returns; none where those do not vary. */
  train(rows: readonly Float64Array[], returns: ArrayLike<number>): void {
    const { learningRate, steps, weightDecay } = this.settings;
    const [centre, spread] = [mean(returns), Math.sqrt(variance(returns))];
    if (spread === 0) return;
    const standardised = Float64Array.from(returns, (value) => (value - centre) / spread);
    for (let step = 0; step < steps; step++) {
      const probabilities = this.probabilities(rows);
      const slopes = deviationSlopes(probabilities, standardised).map((slope, row) => slope * probabilities[row]! * (1 - probabilities[row]!));
      const towards = (value: number, gradient: number): number => value + learningRate * (gradient - weightDecay * value);
      this.weights = Array.from(rows[0]!, (_, at) => towards(this.weights[at] ?? 0, rows.reduce((sum, row, index) => sum + slopes[index]! * row[at]!, 0)));
      this.bias = towards(this.bias, slopes.reduce((sum, slope) => sum + slope, 0));
    }
  }

  state(): z.output<typeof stateSchema> {
    return { weights: [...this.weights], bias: this.bias };
  }

  restore(state: unknown): void {
    ({ weights: this.weights, bias: this.bias } = stateSchema.parse(state));
  }
}

/** ∂/∂p_i of K/√(s(1 − s)), for returns of mean 0. */
export function deviationSlopes(probabilities: Float64Array, returns: Float64Array): Float64Array {
  const { share, covariance } = groupStatistics(probabilities, returns);
  const spread = share * (1 - share);
  const byShare = (covariance * (1 - 2 * share)) / (2 * spread);
  return returns.map((value) => (value - byShare) / (Math.sqrt(spread) * returns.length));
}

/** Features [rows × width] less their mean over the rows, by their root mean square: one row after the other. */
export function standardisedRows(features: Float32Array, rows: number): Float64Array[] {
  const width = features.length / rows;
  const centres = Float64Array.from({ length: width }, (_, at) => mean(Float64Array.from({ length: rows }, (__, row) => features[row * width + at]!)));
  const centred = Float64Array.from(features, (value, index) => value - centres[index % width]!);
  const scale = Math.sqrt(mean(centred.map((value) => value ** 2))) || 1;
  return Array.from({ length: rows }, (_, row) => centred.slice(row * width, (row + 1) * width).map((value) => value / scale));
}
