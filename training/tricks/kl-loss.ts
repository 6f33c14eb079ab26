import { constant, exp, logProbabilities, multiply, perToken, subtract, type Expression } from "../../backends/expressions.js";
import type { TrickParameters } from "../../schemas/tricks.js";
import type { Trick } from "./trick.js";

const lead = subtract(perToken("referenceLogProbabilities"), logProbabilities);
const estimate: Expression = subtract(subtract(exp(lead), lead), constant(1));

/**
 * Adds β (e^d − d − 1) to each token's loss, d = log π_ref − log π at the sampling temperature: an estimate of KL(π ‖ π_ref) that is never
 * below zero. Source: Shao et al., arXiv 2402.03300, eq. 4, after Schulman's k3.
 */
export function klLoss({ coefficient }: TrickParameters["klLoss"]): Trick {
  return {
    policyArrays: ({ referenceLogProbabilities }) => ({ referenceLogProbabilities }),
    policyTerm: () => multiply(constant(coefficient), estimate),
    policyStatistics: () => ({ "loss/kl": estimate }),
  };
}
