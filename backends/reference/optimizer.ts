import type { OptimizerSettings } from "../backend.js";
import type { Matrix } from "./tape.js";

/** A parameter with Adam's moments. All are kept on float32 values, so that saving loses nothing. */
export interface Slot {
  readonly name: string;
  readonly parameter: Matrix;
  readonly first: Float64Array;
  readonly second: Float64Array;
  /** Matrices decay; norms and biases don't. */
  readonly decays: boolean;
}

/** Global L2 norm of the gradients. */
export const normOf = (gradients: readonly Float64Array[]): number =>
  Math.sqrt(gradients.reduce((sum, gradient) => sum + gradient.reduce((squares, value) => squares + value * value, 0), 0));

/**
 * One update: clipping as torch.nn.utils.clip_grad_norm_, then torch.optim.AdamW.
 * @param update counts from 1.
 */
export function updateParameters(slots: readonly Slot[], settings: OptimizerSettings, update: number, gradientNorm: number): void {
  const { learningRate, beta1, beta2, epsilon, weightDecay, maxGradientNorm = Infinity } = settings;
  const scale = Math.min(1, maxGradientNorm / (gradientNorm + 1e-6));
  const firstCorrection = 1 - beta1 ** update;
  const secondCorrection = 1 - beta2 ** update;
  for (const { parameter: { data, gradient }, first, second, decays } of slots) {
    const kept = decays ? 1 - learningRate * weightDecay : 1;
    for (let i = 0; i < data.length; i++) {
      const slope = gradient[i]! * scale;
      const m = beta1 * first[i]! + (1 - beta1) * slope;
      const v = beta2 * second[i]! + (1 - beta2) * slope * slope;
      data[i] = Math.fround(data[i]! * kept - learningRate * (m / firstCorrection) / (Math.sqrt(v / secondCorrection) + epsilon));
      first[i] = Math.fround(m);
      second[i] = Math.fround(v);
    }
  }
}
