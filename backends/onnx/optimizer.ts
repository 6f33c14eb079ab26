import type { OptimizerSettings } from "../backend.js";
import type { Parameter, WeightStore } from "./weights.js";

/**
 * Gathers the gradients of a step's parts in the store's flat buffer and applies AdamW to the weights there. A
 * parameter that no part reached has no gradient: neither its weight nor its moments change, as in PyTorch.
 */
export class Optimizer {
  /** Updates made so far, by which Adam corrects its moments' bias. */
  updates = 0;
  private readonly reached = new Set<Parameter>();

  constructor(private readonly store: WeightStore) {}

  /** Forgets all gradients. */
  clear(): void {
    this.reached.clear();
  }

  /** Adds a whole gradient, in the layout of the weights. */
  add(name: string, gradient: Float32Array): void {
    const parameter = this.store.parameters.get(name)!;
    if (this.reached.has(parameter)) {
      const address = this.store.address("gradients", parameter);
      this.inScratch(gradient, 1, (source, from, length) => {
        this.store.kernels.accumulate(address + 4 * from, source, length);
      });
      return;
    }
    this.store.view(name, "gradients").set(gradient);
    this.reached.add(parameter);
  }

  /** Adds gradient rows to a table's gradient at the given indices, in order. */
  addRows(name: string, rows: Float32Array, indices: Int32Array): void {
    const parameter = this.store.parameters.get(name)!;
    if (!this.reached.has(parameter)) this.store.view(name, "gradients").fill(0);
    this.reached.add(parameter);
    const width = parameter.shape[1]!;
    const address = this.store.address("gradients", parameter);
    const { memory, scratch, kernels } = this.store;
    this.inScratch(rows, width, (source, from, length) => {
      const count = length / width;
      const place = scratch.address + scratch.bytes / 2;
      new Int32Array(memory.buffer, place, count).set(indices.subarray(from / width, from / width + count));
      kernels.scatterRows(address, source, place, count, width);
    });
  }

  /** L2 norm over all gradients; each parameter's by name. */
  norms(): { readonly global: number; readonly byParameter: Readonly<Record<string, number>> } {
    const squares = [...this.store.parameters.values()].map((parameter) => [parameter.name, this.reached.has(parameter)
      ? this.store.kernels.squaredNorm(this.store.address("gradients", parameter), parameter.size) : 0] as const);
    return {
      global: Math.sqrt(squares.reduce((sum, [, square]) => sum + square, 0)),
      byParameter: Object.fromEntries(squares.map(([name, square]) => [name, Math.sqrt(square)])),
    };
  }

  /** One AdamW update, the gradients scaled down to the maximum norm. `norm` is theirs and finite. */
  update(settings: OptimizerSettings, norm: number): void {
    const { learningRate, beta1, beta2, epsilon, weightDecay, maxGradientNorm } = settings;
    this.updates++;
    // 1e-6 as in PyTorch's clip_grad_norm_
    const scale = maxGradientNorm === undefined ? 1 : Math.min(1, maxGradientNorm / (norm + 1e-6));
    const rate = learningRate / (1 - beta1 ** this.updates);
    const root = 1 / Math.sqrt(1 - beta2 ** this.updates);
    for (const parameter of this.reached) {
      const keep = parameter.shape.length === 2 ? 1 - learningRate * weightDecay : 1;
      // up to a multiple of 4: what follows a parameter's stretch is zero and stays so
      this.store.kernels.adamw(
        this.store.address("weights", parameter), this.store.address("gradients", parameter),
        this.store.address("firstMoments", parameter), this.store.address("secondMoments", parameter),
        Math.ceil(parameter.size / 4) * 4, scale, beta1, 1 - beta1, beta2, 1 - beta2, keep, rate, root, epsilon);
    }
    this.store.version++;
  }

  /** Copies an array through half of the scratch space, in stretches of whole rows. */
  private inScratch(values: Float32Array, width: number, use: (address: number, from: number, length: number) => void): void {
    const { memory, scratch } = this.store;
    const stretch = Math.floor(scratch.bytes / 8 / width) * width;
    for (let from = 0; from < values.length; from += stretch) {
      const part = values.subarray(from, from + stretch);
      new Float32Array(memory.buffer, scratch.address, part.length).set(part);
      use(scratch.address, from, part.length);
    }
  }
}
