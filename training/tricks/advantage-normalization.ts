import type { TrickParameters } from "../../schemas/tricks.js";
import { mean, variance } from "../experience.js";
import { clamp } from "./clamp.js";
import type { Trick } from "./trick.js";

/**
 * Advantages to mean 0 and variance 1 over all answer tokens of the iteration, then held to ±δ where δ is given.
 * Source: P figure 5 #6.
 */
export function advantageNormalization({ clip }: TrickParameters["advantageNormalization"]): Trick {
  return {
    shapeAdvantages: (advantages) => {
      const centre = mean(advantages);
      const scale = 1 / Math.sqrt(variance(advantages) + 1e-8);
      return advantages.map((advantage) => clamp((advantage - centre) * scale, clip));
    },
  };
}
