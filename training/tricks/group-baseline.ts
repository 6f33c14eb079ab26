import type { TrickParameters } from "../../schemas/tricks.js";
import { mean, overTokens, rowSums } from "../experience.js";
import type { Trick } from "./trick.js";

/** Keeps the quotient finite where all answers of a group return the same. As TRL has it. */
const SMALLEST_DEVIATION = 1e-4;

/**
 * An answer's advantage is its whole return against those of the other answers to the same prompt, which lie side by side;
 * every token of the answer has it. The return is the shaped score with what else the tricks put into the rewards, such as a KL penalty.
 * Sources: Ahmadian et al., arXiv 2402.14740, §4.1 (leave-one-out); Shao et al., arXiv 2402.03300, §4.1.2 (mean, scaled); Liu et al.,
 * arXiv 2503.20783 (mean, not scaled).
 */
export function groupBaseline({ samples, baseline, scale }: TrickParameters["groupBaseline"]): Trick {
  let deviations: readonly number[] = [];
  return {
    advantages: (rewards, _values, offsets) => {
      const whole = rowSums(rewards, offsets);
      const groups = groupsOf(whole, samples);
      deviations = groups.map(deviationOf);
      const advantages = groups.flatMap((group, index) => {
        const divisor = scale ? deviations[index]! + SMALLEST_DEVIATION : 1;
        return againstOthers(group, baseline).map((advantage) => advantage / divisor);
      });
      return { advantages: overTokens(advantages, offsets), returns: overTokens(whole, offsets) };
    },
    metrics: () => ({
      "samples/return_std": mean(deviations),
      "samples/alike": mean(deviations.map((deviation) => (deviation === 0 ? 1 : 0))),
    }),
  };
}

/** What each return of a group is above the mean of the others, or of all. */
function againstOthers(group: readonly number[], baseline: TrickParameters["groupBaseline"]["baseline"]): number[] {
  const sum = group.reduce((total, value) => total + value, 0);
  switch (baseline) {
    case "leave-one-out": return group.map((value) => value - (sum - value) / (group.length - 1));
    case "mean": return group.map((value) => value - sum / group.length);
  }
}

/** Standard deviation with the divisor n − 1. */
function deviationOf(group: readonly number[]): number {
  const centre = mean(group);
  return Math.sqrt(group.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (group.length - 1));
}

function groupsOf(values: Float64Array, size: number): number[][] {
  return Array.from({ length: values.length / size }, (_, group) => [...values.subarray(group * size, (group + 1) * size)]);
}
