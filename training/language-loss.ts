import type { Backend, Batch, StepPart } from "../backends/backend.js";
import { logProbabilities, multiply, negate, perToken } from "../backends/expressions.js";
import { chunks } from "./batches.js";

/** A row of tokens and the indices (≥ 1) of those that are predicted. */
export interface LanguageRow {
  readonly tokens: Int32Array;
  readonly targets: Int32Array;
}

export function batchOf(rows: readonly LanguageRow[]): Batch {
  return { sequences: rows.map((row) => row.tokens), targets: rows.map((row) => row.targets) };
}

export function targetCount(rows: readonly LanguageRow[]): number {
  return rows.reduce((sum, row) => sum + row.targets.length, 0);
}

/** `coefficient` times the mean negative log-likelihood of the rows' target tokens, in nats. */
export function languageLoss(rows: readonly LanguageRow[], coefficient = 1): StepPart {
  const tokens = targetCount(rows);
  return {
    batch: batchOf(rows),
    arrays: { weight: new Float32Array(tokens).fill(coefficient / tokens) },
    loss: [multiply(perToken("weight"), negate(logProbabilities))],
    statistics: {},
  };
}

/** Mean negative log-likelihood a target token, in nats, without gradient, `batch` rows at a time. */
export async function meanNegativeLogLikelihood(
  backend: Backend, model: string, rows: readonly LanguageRow[], batch: number,
): Promise<number> {
  let sum = 0;
  for (const some of chunks(rows, batch)) {
    const result = await backend.forward(model, { batch: batchOf(some), quantities: ["logProbabilities"] });
    for (const value of result.logProbabilities ?? []) sum -= value;
  }
  return sum / targetCount(rows);
}
