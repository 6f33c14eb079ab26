import type { TrickParameters } from "../../schemas/tricks.js";
import type { Trick } from "./trick.js";

/**
 * Mean over a minibatch's answers of the mean over each one's tokens, so that all answers count alike (Shao et al., arXiv 2402.03300, eq. 3);
 * or of the sum over its tokens, so that all tokens of a run count alike (Liu et al., arXiv 2503.20783).
 */
export function lossAggregation({ mode }: TrickParameters["lossAggregation"]): Trick {
  return {
    tokenWeights: (lengths) => lengths.flatMap((length) => {
      const weight = 1 / (lengths.length * (mode === "answer-mean" ? length : 1));
      return Array.from({ length }, () => weight);
    }),
  };
}
