import type { GenerateRequest } from "../backend.js";

/** A token drawn from a distribution over the vocabulary. */
export interface Draw {
  readonly token: number;
  /** Of the token at the temperature (at temperature 0: at 1), before any filter. */
  readonly logProbability: number;
  /** Under the filtered distribution that it was drawn from. */
  readonly sampledLogProbability: number;
}

export type Filters = Required<Pick<GenerateRequest, "topP" | "topK" | "repetitionPenalty">>;

/** Whether a request draws from anything but the plain distribution. */
export function isFiltered({ topP, topK, repetitionPenalty }: Filters): boolean {
  return topP < 1 || topK > 0 || repetitionPenalty !== 1;
}

/** The first token up to which the probabilities sum to more than `uniform` of their total. */
export function drawFrom(probabilities: Float32Array | Float64Array, uniform: number): number {
  const length = probabilities.length;
  let total = 0;
  let last = 0;
  for (let token = 0; token < length; token++) {
    const probability = probabilities[token]!;
    if (probability === 0) continue;
    total += probability;
    last = token;
    if (total > uniform) return token;
  }
  // rounding left the sum at or below the uniform
  return last;
}

/**
 * Draws from a row of logits through the filters in the field's usual order: repetition penalty, temperature, top-k,
 * top-p. At temperature 0 takes the most likely token after the penalty, the first of equals.
 *
 * @param seen Tokens that the penalty applies to.
 */
export function drawFiltered(
  logits: Float32Array, temperature: number, filters: Filters, seen: ReadonlySet<number>, uniform: number,
): Draw {
  const plain = Float64Array.from(logits);
  const penalized = Float64Array.from(logits);
  for (const token of seen) {
    const logit = penalized[token]!;
    penalized[token] = logit > 0 ? logit / filters.repetitionPenalty : logit * filters.repetitionPenalty;
  }
  softmax(plain, temperature || 1);
  softmax(penalized, temperature || 1);
  const token = temperature === 0 ? largest(penalized) : undefined;
  keepLikely(penalized, filters);
  const drawn = token ?? drawFrom(penalized, uniform);
  return { token: drawn, logProbability: Math.log(plain[drawn]!), sampledLogProbability: Math.log(penalized[drawn]!) };
}

/** Sets all but the most likely tokens to 0 and scales the rest to sum to 1: first by top-k, then by top-p. */
function keepLikely(probabilities: Float64Array, { topK, topP }: Filters): void {
  if (topK > 0 && topK < probabilities.length) keepLargest(probabilities, probabilities.slice().sort().reverse(), topK);
  if (topP >= 1) return;
  // tokens below this sum to less than 1 − topP, so none of them is needed
  const negligible = (1 - topP) / probabilities.length;
  const sorted = probabilities.filter((probability) => probability >= negligible).sort().reverse();
  let count = 0;
  for (let mass = 0; mass < topP && count < sorted.length; count++) mass += sorted[count]!;
  keepLargest(probabilities, sorted, count);
}

/** Keeps the `count` largest, of equals the first, and scales them to sum to 1. `sorted` descends. */
function keepLargest(probabilities: Float64Array, sorted: Float64Array, count: number): void {
  const bound = sorted[count - 1]!;
  let equalsLeft = count - sorted.findIndex((probability) => probability === bound);
  let total = 0;
  for (let token = 0; token < probabilities.length; token++) {
    const probability = probabilities[token]!;
    if (probability > bound || (probability === bound && equalsLeft-- > 0)) total += probability;
    else probabilities[token] = 0;
  }
  for (let token = 0; token < probabilities.length; token++) probabilities[token]! /= total;
}

/** Replaces logits by their softmax at a temperature. */
function softmax(logits: Float64Array, temperature: number): void {
  const top = logits[largest(logits)]!;
  let total = 0;
  for (let token = 0; token < logits.length; token++) total += logits[token] = Math.exp((logits[token]! - top) / temperature);
  for (let token = 0; token < logits.length; token++) logits[token]! /= total;
}

function largest(values: Float64Array): number {
  let best = 0;
  for (let index = 1; index < values.length; index++) if (values[index]! > values[best]!) best = index;
  return best;
}
