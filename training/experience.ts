/**
 * Answers sampled from the policy, with every per-token array laid end to end: the tokens of row i are
 * [offsets[i], offsets[i + 1]). All log-probabilities are at the sampling temperature.
 */
export interface Experience {
  /** Prompt and answer of each row. */
  readonly sequences: readonly Int32Array[];
  /** Indices of the answer's tokens in each sequence. */
  readonly targets: readonly Int32Array[];
  /** rows + 1 entries. */
  readonly offsets: Int32Array;
  /** Of the policy that sampled; tokens. */
  readonly policyLogProbabilities: Float32Array;
  /** Of the frozen reference; tokens. */
  readonly referenceLogProbabilities: Float32Array;
  /** The critic's estimate before each token; tokens. */
  readonly values: Float32Array;
  /** The reward model's normalised score; rows. */
  readonly scores: Float64Array;
  /** Whether the answer ended with an end token; rows. */
  readonly finished: readonly boolean[];
  /** The critic's state at each row's last token, rows × hidden; only where a trick reads it. */
  readonly features?: Float32Array;
}

/** Advantages and the returns that the critic regresses; tokens. */
export interface Advantages {
  readonly advantages: Float64Array;
  readonly returns: Float64Array;
}

/** Offsets of rows with the given lengths. */
export function offsetsOf(rows: readonly ArrayLike<unknown>[]): Int32Array {
  const offsets = new Int32Array(rows.length + 1);
  rows.forEach((row, index) => { offsets[index + 1] = offsets[index]! + row.length; });
  return offsets;
}

/** The tokens of the given rows, gathered from a per-token array; float32 as the backend takes them. */
export function gatherTokens(array: ArrayLike<number>, offsets: Int32Array, rows: ArrayLike<number>): Float32Array {
  const gathered: number[] = [];
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    for (let token = offsets[row]!; token < offsets[row + 1]!; token++) gathered.push(array[token]!);
  }
  return Float32Array.from(gathered);
}

/** Gives each token its row's number. */
export function overTokens(rows: ArrayLike<number>, offsets: Int32Array): Float64Array {
  const tokens = new Float64Array(offsets.at(-1)!);
  for (let row = 0; row < rows.length; row++) tokens.fill(rows[row]!, offsets[row]!, offsets[row + 1]!);
  return tokens;
}

/** Sums a per-token array over each row. */
export function rowSums(array: ArrayLike<number>, offsets: Int32Array): Float64Array {
  const sums = new Float64Array(offsets.length - 1);
  for (let row = 0; row < sums.length; row++) {
    for (let token = offsets[row]!; token < offsets[row + 1]!; token++) sums[row]! += array[token]!;
  }
  return sums;
}

export function mean(array: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < array.length; i++) sum += array[i]!;
  return array.length === 0 ? 0 : sum / array.length;
}

/** Variance with the divisor n. */
export function variance(array: ArrayLike<number>): number {
  const centre = mean(array);
  let sum = 0;
  for (let i = 0; i < array.length; i++) sum += (array[i]! - centre) ** 2;
  return array.length === 0 ? 0 : sum / array.length;
}

/** 1 − Var(target − prediction) / Var(target); 0 where the target doesn't vary. */
export function explainedVariance(prediction: ArrayLike<number>, target: ArrayLike<number>): number {
  const spread = variance(target);
  if (spread === 0) return 0;
  return 1 - variance(Float64Array.from(target, (value, index) => value - prediction[index]!)) / spread;
}
