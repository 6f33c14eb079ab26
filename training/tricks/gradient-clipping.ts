import type { TrickParameters } from "../../schemas/tricks.js";
import type { Trick } from "./trick.js";

/** Scales the gradients of policy and critic down to a global norm. Source: P figure 5 #12. */
export function gradientClipping({ norm }: TrickParameters["gradientClipping"]): Trick {
  return { optimizer: (settings) => ({ ...settings, maxGradientNorm: norm }) };
}
