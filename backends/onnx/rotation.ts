import { Tensor } from "onnxruntime-node";
import { type RotaryShape, rotaryFrequencies } from "../../models/rotary.js";

export type { RotaryShape } from "../../models/rotary.js";

/** Cosines and sines of rotary positions, each [positions, headSize / 2]; angles are float64 until then. */
export function rotations(shape: RotaryShape, positions: number): { readonly cosines: Float32Array; readonly sines: Float32Array } {
  const { radians, magnitude } = rotaryFrequencies(shape);
  const half = radians.length;
  const angles = Float64Array.from({ length: positions * half }, (_, index) => Math.floor(index / half) * radians[index % half]!);
  return {
    cosines: Float32Array.from(angles, (angle) => magnitude * Math.cos(angle)),
    sines: Float32Array.from(angles, (angle) => magnitude * Math.sin(angle)),
  };
}

/** Names of the graph inputs that take them. */
export const rotationInputs = { cosines: "cosines", sines: "sines" } as const;

/**
 * Rotations of as many positions as were asked for so far, as inputs: contexts may be far longer than any sequence,
 * and tables for all of one would stand in every session.
 */
export class RotationTables {
  private positions = 0;
  private tables: Readonly<Record<string, Tensor>> = {};

  constructor(private readonly shape: RotaryShape & { readonly context: number }) {}

  /** Tables of at least `positions` rows. */
  upTo(positions: number): Readonly<Record<string, Tensor>> {
    if (positions > this.positions) {
      this.positions = Math.min(2 ** Math.ceil(Math.log2(positions)), Math.max(this.shape.context, positions));
      const { cosines, sines } = rotations(this.shape, this.positions);
      const dims = [this.positions, this.shape.headSize / 2];
      this.tables = {
        [rotationInputs.cosines]: new Tensor("float32", cosines, dims),
        [rotationInputs.sines]: new Tensor("float32", sines, dims),
      };
    }
    return this.tables;
  }
}
