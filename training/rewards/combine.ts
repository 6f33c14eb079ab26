import type { CombinedReward } from "../../schemas/reward.js";
import { mean, variance } from "../experience.js";

type Combination = Pick<CombinedReward, "combine" | "deviations">;

/** One answer's score from its scores by term. Source of `min` and `mean-minus-std`: Coste et al., arXiv 2310.02743, which takes the variance off instead. */
export function combined({ combine, deviations = 1 }: Combination, scores: readonly number[], weights: readonly number[]): number {
  switch (combine) {
    case "sum": return scores.reduce((sum, score, term) => sum + weights[term]! * score, 0);
    case "mean": return mean(scores);
    case "min": return Math.min(...scores);
    case "mean-minus-std": return mean(scores) - deviations * Math.sqrt(variance(scores));
  }
}
