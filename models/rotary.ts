/** How rotary positions are stretched beyond the context that a model was first trained with, as transformers has it. */
export type RopeScaling =
  | { readonly kind: "linear"; readonly factor: number }
  /** Plain up to the context; only longer sequences than that would be turned otherwise. */
  | { readonly kind: "dynamic"; readonly factor: number }
  | { readonly kind: "llama3"; readonly factor: number; readonly lowFrequency: number; readonly highFrequency: number; readonly originalContext: number }
  | {
    readonly kind: "yarn"; readonly factor: number; readonly originalContext: number;
    readonly betaFast: number; readonly betaSlow: number; readonly truncate: boolean;
    /** Multiplies cosines and sines. */
    readonly attentionFactor: number;
  };

export interface RotaryShape {
  readonly headSize: number;
  readonly ropeTheta: number;
  readonly ropeScaling?: RopeScaling;
}

/** What pairs of dimensions are turned by. */
export interface RotaryFrequencies {
  /** Radians a position, of each pair of dimensions. [headSize / 2] */
  readonly radians: Float64Array;
  /** Multiplies cosines and sines. */
  readonly magnitude: number;
}

/** Pair j of a head of size d turns by θ^(−2j/d) a position, changed as the scaling says. Source: modeling_rope_utils.py of transformers. */
export function rotaryFrequencies({ headSize, ropeTheta, ropeScaling }: RotaryShape): RotaryFrequencies {
  const half = headSize / 2;
  const plain = Float64Array.from({ length: half }, (_, pair) => ropeTheta ** (-pair / half));
  switch (ropeScaling?.kind) {
    case undefined: case "dynamic": return { radians: plain, magnitude: 1 };
    case "linear": return { radians: plain.map((radians) => radians / ropeScaling.factor), magnitude: 1 };
    case "llama3": return { radians: plain.map((radians) => llama3(radians, ropeScaling)), magnitude: 1 };
    case "yarn": return { radians: yarn(plain, ropeTheta, ropeScaling), magnitude: ropeScaling.attentionFactor };
  }
}

/** Short waves stay, long ones are stretched by the factor, those between by something between. */
function llama3(radians: number, { factor, lowFrequency, highFrequency, originalContext }: Extract<RopeScaling, { kind: "llama3" }>): number {
  const turns = originalContext * radians / (2 * Math.PI);
  if (turns > highFrequency) return radians;
  if (turns < lowFrequency) return radians / factor;
  const smooth = (turns - lowFrequency) / (highFrequency - lowFrequency);
  return (1 - smooth) * radians / factor + smooth * radians;
}

/** As llama3, with a ramp over the pairs' numbers. Source: Peng et al., YaRN (arXiv 2309.00071). */
function yarn(plain: Float64Array, theta: number, { factor, originalContext, betaFast, betaSlow, truncate }: Extract<RopeScaling, { kind: "yarn" }>): Float64Array {
  const size = 2 * plain.length;
  const pairOf = (turns: number): number => size * Math.log(originalContext / (turns * 2 * Math.PI)) / (2 * Math.log(theta));
  const [low, high] = truncate ? [Math.floor(pairOf(betaFast)), Math.ceil(pairOf(betaSlow))] : [pairOf(betaFast), pairOf(betaSlow)];
  const [first, last] = [Math.max(low, 0), Math.min(high, size - 1)];
  const width = last === first ? 0.001 : last - first;
  return plain.map((radians, pair) => {
    const stretched = Math.min(1, Math.max(0, (pair - first) / width));
    return stretched * radians / factor + (1 - stretched) * radians;
  });
}

/** What yarn multiplies cosines and sines by where a configuration does not say; the quotient of two of these, by `mscale` and `mscale_all_dim`. */
export const yarnMagnitude = (factor: number, mscale: number): number => (factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1);
