import type { TrickParameters } from "../../schemas/tricks.js";
import { RunningMoments } from "../moments.js";
import { clamp } from "./clamp.js";
import type { Trick } from "./trick.js";

/**
 * r̃ = clip((r − mean)/std, ±δ), mean and std over all scores of the run so far, the batch at hand included.
 * Source: P eq. 18, figure 5 #5.
 */
export function rewardNormalization({ clip }: TrickParameters["rewardNormalization"]): Trick {
  const history = new RunningMoments();
  return {
    scores: (scores) => {
      history.add(scores);
      return scores.map((score) => clamp((score - history.mean) / history.std, clip));
    },
    metrics: () => ({ "reward/running_mean": history.mean, "reward/running_std": history.std }),
    state: () => history.state(),
    restore: (state) => { history.restore(state); },
  };
}
