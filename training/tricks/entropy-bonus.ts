import { constant, entropy, minimum, multiply } from "../../backends/expressions.js";
import type { TrickParameters } from "../../schemas/tricks.js";
import type { Trick } from "./trick.js";

/**
 * Adds −coefficient · min(H, clip) to each token's loss, H the policy's entropy in nats. P tests 0.01 with a clip at 30
 * (figure 5 #3); what the clip does above the bound is unstated: here entropy beyond it earns nothing more.
 */
export function entropyBonus({ coefficient, clip }: TrickParameters["entropyBonus"]): Trick {
  return { policyTerm: () => multiply(constant(-coefficient), minimum(entropy, constant(clip))) };
}
