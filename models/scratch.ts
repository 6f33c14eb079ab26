import type { ScratchSizes } from "../schemas/spec.js";
import type { ModelConfiguration } from "./architecture.js";
import { type Family, families } from "./families.js";

type Tokens = Pick<ModelConfiguration, "vocabulary" | "beginToken" | "endTokens" | "padToken">;

/** The configuration of a model from scratch. Biases are those that the family's published models have. */
export function scratchConfiguration({ architecture, window, ...sizes }: ScratchSizes, tokens: Tokens): ModelConfiguration {
  const family: Family = families[architecture];
  const [attentionBias, outputBias, mlpBias] = family.biases[0]!;
  return {
    family: architecture, headSize: sizes.hidden / sizes.heads, ropeTheta: 10000, ...sizes, normEpsilon: 1e-5, attentionBias, outputBias, mlpBias,
    window: window === undefined ? undefined : { tokens: window, layers: Array.from({ length: sizes.layers }, (_, layer) => layer) }, ...tokens,
  };
}
