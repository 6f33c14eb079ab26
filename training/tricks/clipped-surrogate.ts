import { clip, maximum, multiply } from "../../backends/expressions.js";
import type { TrickParameters } from "../../schemas/tricks.js";
import type { Trick } from "./trick.js";

/** max(−Aρ, −A · clip(ρ, 1 ± range)). Source: P figure 5 #11. */
export function clippedSurrogate({ range }: TrickParameters["clippedSurrogate"]): Trick {
  return {
    surrogate: (negatedAdvantage, ratio) =>
      maximum(multiply(negatedAdvantage, ratio), multiply(negatedAdvantage, clip(ratio, 1 - range, 1 + range))),
  };
}
