import type { TrickParameters } from "../../schemas/tricks.js";
import type { Advantages } from "../experience.js";
import type { Trick } from "./trick.js";

/** Generalised advantage estimation. Source: P figure 5 #10, λ in appendix C.3. */
export function gae(parameters: TrickParameters["gae"]): Trick {
  return { advantages: (rewards, values, offsets) => estimateAdvantages(rewards, values, offsets, parameters) };
}

/**
 * δ_t = r_t + γ V_{t+1} − V_t and A_t = δ_t + γλ A_{t+1} over the tokens of each answer; the value after the last token
 * is 0; return = advantage + value. λ = γ = 1 is the whole return minus the value.
 */
export function estimateAdvantages(
  rewards: ArrayLike<number>, values: ArrayLike<number>, offsets: Int32Array,
  { lambda, gamma }: TrickParameters["gae"],
): Advantages {
  const advantages = new Float64Array(rewards.length);
  const returns = new Float64Array(rewards.length);
  for (let row = 0; row + 1 < offsets.length; row++) {
    let nextAdvantage = 0;
    let nextValue = 0;
    for (let token = offsets[row + 1]! - 1; token >= offsets[row]!; token--) {
      const delta = rewards[token]! + gamma * nextValue - values[token]!;
      nextAdvantage = delta + gamma * lambda * nextAdvantage;
      nextValue = values[token]!;
      advantages[token] = nextAdvantage;
      returns[token] = nextAdvantage + nextValue;
    }
  }
  return { advantages, returns };
}
