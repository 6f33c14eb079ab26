import { Tensor } from "onnxruntime-node";
import type { ModelConfiguration } from "../../models/architecture.js";
import { newKeys, newValues, pastKeys, pastValues } from "./generation-graph.js";

/** Keys and values of all layers as [positions, rows, key-value heads × head size], so that they grow at their end. */
export class KeyValueCache {
  /** Positions filled. The first is of zeros and for nobody to see: ONNX Runtime divides by zero when there is no past. */
  length = 1;
  private readonly width: number;
  private readonly keys: readonly Float32Array[];
  private readonly values: readonly Float32Array[];

  /** @param capacity Most positions it will hold, the first included. */
  constructor(private readonly configuration: ModelConfiguration, private rows: number, capacity: number) {
    this.width = configuration.keyValueHeads * configuration.headSize;
    const buffers = () => Array.from({ length: configuration.layers }, () => new Float32Array(capacity * rows * this.width));
    this.keys = buffers();
    this.values = buffers();
  }

  /** Bytes that a row takes at a capacity. */
  static bytesPerRow({ layers, keyValueHeads, headSize }: ModelConfiguration, capacity: number): number {
    return 2 * layers * capacity * keyValueHeads * headSize * Float32Array.BYTES_PER_ELEMENT;
  }

  /** The filled part as inputs of the graph: views, no copies. */
  feeds(): Record<string, Tensor> {
    const { keyValueHeads, headSize, layers } = this.configuration;
    const shape = [this.length, this.rows, keyValueHeads, headSize];
    const end = this.length * this.rows * this.width;
    const feeds: Record<string, Tensor> = {};
    for (let layer = 0; layer < layers; layer++) {
      feeds[pastKeys(layer)] = new Tensor("float32", this.keys[layer]!.subarray(0, end), shape);
      feeds[pastValues(layer)] = new Tensor("float32", this.values[layer]!.subarray(0, end), shape);
    }
    return feeds;
  }

  /** Adds what a run of the graph computed for `positions` new positions. */
  append(outputs: (name: string) => Float32Array, positions: number): void {
    const end = this.length * this.rows * this.width;
    this.keys.forEach((keys, layer) => keys.set(outputs(newKeys(layer)), end));
    this.values.forEach((values, layer) => values.set(outputs(newValues(layer)), end));
    this.length += positions;
  }

  /** Keeps the rows at the given ascending indices and closes the gaps. */
  keep(kept: readonly number[]): void {
    const { width, rows, length } = this;
    for (const buffer of [...this.keys, ...this.values]) {
      let target = 0;
      for (let position = 0; position < length; position++) {
        for (const row of kept) {
          const source = (position * rows + row) * width;
          // targets never run ahead of sources, so nothing unread is overwritten
          if (source !== target) buffer.copyWithin(target, source, source + width);
          target += width;
        }
      }
    }
    this.rows = kept.length;
  }
}
