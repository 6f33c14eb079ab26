import type { TrickParameters } from "../../schemas/tricks.js";
import { RunningMoments } from "../moments.js";
import { clamp } from "./clamp.js";
import type { Trick } from "./trick.js";

/**
 * Divides scores by the running standard deviation of the discounted return, without a shift of the mean. Only the last
 * token has a score and γ is 1 over an answer, so the return of an answer is its score. The batch at hand counts.
 * Source: P figure 5 #4.
 */
export function rewardScaling({ clip }: TrickParameters["rewardScaling"]): Trick {
  const history = new RunningMoments();
  return {
    scores: (scores) => {
      history.add(scores);
      return scores.map((score) => clamp(score / history.std, clip));
    },
    metrics: () => ({ "reward/running_std": history.std }),
    state: () => history.state(),
    restore: (state) => { history.restore(state); },
  };
}
