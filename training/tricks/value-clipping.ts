import { add, clip, maximum, square, subtract } from "../../backends/expressions.js";
import type { TrickParameters } from "../../schemas/tricks.js";
import type { Trick } from "./trick.js";

/** max((V − R)², (clip(V, V_old ± range) − R)²). Source: P figure 5 #7. */
export function valueClipping({ range }: TrickParameters["valueClipping"]): Trick {
  return {
    valueError: (values, oldValues, returns) => {
      const near = add(oldValues, clip(subtract(values, oldValues), -range, range));
      return maximum(square(subtract(values, returns)), square(subtract(near, returns)));
    },
  };
}
