import type { Trick } from "./trick.js";

/**
 * Importance sampling against the fixed reference instead of the policy that sampled, as if the experience buffer were
 * infinite. Source: P figure 5 #2.
 */
export function referenceSampling(): Trick {
  return { oldLogProbabilities: ({ referenceLogProbabilities }) => referenceLogProbabilities };
}
