import { mean, rowSums, variance, type Experience } from "./experience.js";
import type { Metrics } from "./trainer.js";
import type { Rollouts } from "./rollouts.js";

/** Nats of log π − log π_ref summed over each answer, averaged over answers. */
export function klPerAnswer({ policyLogProbabilities, referenceLogProbabilities, offsets }: Experience): number {
  const difference = policyLogProbabilities.map((policy, token) => policy - referenceLogProbabilities[token]!);
  return mean(rowSums(difference, offsets));
}

/**
 * What the answers of an iteration say of the policy, before its update. KL is the plain estimator, per answer and per
 * token; perplexity is exp(mean negative log-likelihood per response token) under the policy itself. Source: P §5.2.
 */
export function rolloutMetrics(rollouts: Rollouts): Metrics {
  const kl = klPerAnswer(rollouts);
  const lengths = rollouts.answers.map((answer) => answer.length);
  const tokens = rollouts.offsets.at(-1)!;
  return {
    "objective/scores": mean(rollouts.rawScores),
    "objective/scores_std": Math.sqrt(variance(rollouts.rawScores)),
    ...rollouts.rewardMetrics,
    "objective/kl": kl,
    "objective/kl_per_token": tokens === 0 ? 0 : (kl * lengths.length) / tokens,
    "response/length": mean(lengths),
    "response/perplexity": Math.exp(-mean(rollouts.policyLogProbabilities)),
    "response/unfinished": mean(rollouts.finished.map((finished) => (finished ? 0 : 1))),
    ...(rollouts.filterDiscrepancy !== 0 && { "objective/filter_discrepancy": rollouts.filterDiscrepancy }),
  };
}
