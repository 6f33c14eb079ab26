import type { TextReward } from "../../schemas/reward.js";
import { mean, variance } from "../experience.js";

/** What brings raw scores to mean 0 and std 1. */
export interface Normalization {
  readonly mean: number;
  readonly std: number;
}

/**
 * The normalisation that a reward asks for: given, known from a checkpoint, or measured. `draw` gives the raw scores of round after round of
 * answers of the policy as it is before its first step. Scores that are all alike keep their scale.
 */
export async function normalizationFor({ normalize }: Pick<TextReward, "normalize">, known: Normalization | undefined, draw: (round: number) => Promise<readonly number[]>): Promise<Normalization> {
  if (normalize === undefined) return { mean: 0, std: 1 };
  if ("mean" in normalize) return normalize;
  if (known !== undefined) return known;
  const scores: number[] = [];
  for (let round = 0; scores.length < normalize.answers; round++) scores.push(...await draw(round));
  const measured = scores.slice(0, normalize.answers);
  const std = Math.sqrt(variance(measured));
  return { mean: mean(measured), std: std > 0 ? std : 1 };
}
