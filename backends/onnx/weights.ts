import { Tensor as OrtTensor } from "onnxruntime-node";
import { TruelineError } from "../../foundation/errors.js";
import { type Blueprint, linearsOf } from "../../models/blueprint.js";
import { maxModelBytes, sizeOf } from "../../models/parameters.js";
import type { Tensor } from "../../models/safetensors.js";
import { type Kernels, kernelsOn } from "./kernels.js";

/** A parameter's place in the flat buffers. */
export interface Parameter {
  readonly name: string;
  /** As in files: matrices are mostly [out, in]. */
  readonly fileShape: readonly number[];
  /** As computed with: products are [in, out]; tables of rows stay [rows, width]. */
  readonly shape: readonly number[];
  /** First float in each of the flat buffers. */
  readonly offset: number;
  /** Number of floats. */
  readonly size: number;
}

/** The flat buffers: weights; of trainable models also gradients and both Adam moments. */
export type Buffer = "weights" | "gradients" | "firstMoments" | "secondMoments";
const buffers: readonly Buffer[] = ["weights", "gradients", "firstMoments", "secondMoments"];

/** Bytes at the memory's end for what kernels read besides the buffers. */
const scratchBytes = 1 << 22;
const pageBytes = 1 << 16;
const maxPages = maxModelBytes / pageBytes;
/** Floats to which every parameter's stretch is rounded up: a cache line. */
const alignment = 16;

/**
 * A model's parameters in one WebAssembly memory of fixed size: ONNX Runtime reads the weights where they lie, and the
 * kernels update them there.
 */
export class WeightStore {
  readonly parameters: ReadonlyMap<string, Parameter>;
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  readonly trainable: boolean;
  /** Counts changes of the weights: copies made of them are good for one version. */
  version = 0;
  /** Where scratch space begins, in bytes, and its size. */
  readonly scratch: { readonly address: number; readonly bytes: number };
  private readonly transposed: ReadonlySet<string>;
  private readonly stride: number;
  private readonly tensors = new Map<string, OrtTensor>();

  /**
   * @param shapes Parameters by Hugging Face name, shapes as in files.
   * @param options.transposed Names of the matrices that lie [out, in] in files.
   * @throws TL_BACKEND_OUT_OF_MEMORY
   */
  constructor(shapes: ReadonlyMap<string, readonly number[]>, options: { readonly trainable: boolean; readonly transposed: ReadonlySet<string> }) {
    const parameters = new Map<string, Parameter>();
    let offset = 0;
    for (const [name, fileShape] of shapes) {
      const size = sizeOf(fileShape);
      parameters.set(name, { name, fileShape, shape: options.transposed.has(name) ? [...fileShape].reverse() : fileShape, offset, size });
      offset += Math.ceil(size / alignment) * alignment;
    }
    this.parameters = parameters;
    this.transposed = options.transposed;
    this.trainable = options.trainable;
    this.stride = offset;
    const address = 4 * offset * (options.trainable ? buffers.length : 1);
    this.scratch = { address, bytes: scratchBytes };
    this.memory = allocate(Math.ceil((address + scratchBytes) / pageBytes));
    this.kernels = kernelsOn(this.memory);
  }

  /** Byte address of a parameter's stretch in a buffer. */
  address(buffer: Buffer, parameter: Parameter): number {
    return 4 * (buffers.indexOf(buffer) * this.stride + parameter.offset);
  }

  /** A live view of a parameter in a buffer, in the layout computed with. */
  view(name: string, buffer: Buffer = "weights"): Float32Array {
    const parameter = this.parameter(name);
    return new Float32Array(this.memory.buffer, this.address(buffer, parameter), parameter.size);
  }

  /** The weight as a tensor over the live memory. */
  tensor(name: string): OrtTensor {
    let tensor = this.tensors.get(name);
    if (tensor === undefined) {
      tensor = new OrtTensor("float32", this.view(name), [...this.parameter(name).shape]);
      this.tensors.set(name, tensor);
    }
    return tensor;
  }

  /** Copies tensors in the files' layout into a buffer; all parameters must be there. @throws TL_MODEL_TENSORS */
  load(tensors: ReadonlyMap<string, Tensor>, buffer: Buffer = "weights"): void {
    for (const [name, { fileShape, size }] of this.parameters) {
      const found = tensors.get(name);
      if (found === undefined || found.data.length !== size) {
        throw new TruelineError("TL_MODEL_TENSORS", `tensor ${name} is ${found === undefined ? "missing" : `of shape [${found.shape.join(", ")}]`}`, {
          hint: `Its shape is [${fileShape.join(", ")}].`,
        });
      }
      const view = this.view(name, buffer);
      if (this.transposed.has(name)) transpose(found.data, view, fileShape[0]!, fileShape[1]!);
      else view.set(found.data);
    }
    if (buffer === "weights") this.version++;
  }

  /** Copies of a buffer's parameters in the files' layout and order. */
  export(buffer: Buffer = "weights"): Map<string, Tensor> {
    return new Map([...this.parameters].map(([name, { fileShape, size }]) => {
      const view = this.view(name, buffer);
      const data = new Float32Array(size);
      if (this.transposed.has(name)) transpose(view, data, fileShape[1]!, fileShape[0]!);
      else data.set(view);
      return [name, { shape: fileShape, data }];
    }));
  }

  private parameter(name: string): Parameter {
    const parameter = this.parameters.get(name);
    if (parameter === undefined) throw new TruelineError("TL_INTERNAL", `the model has no parameter ${name}`);
    return parameter;
  }
}

/** Names of the matrices that files have as [out, in] and graphs compute with as [in, out]. */
export function transposedNames({ layers, languageHead, label }: Blueprint): ReadonlySet<string> {
  const linears = [...layers.flatMap(linearsOf), languageHead, label].filter((linear) => linear !== undefined);
  return new Set(linears.filter(({ inputFirst }) => !inputFirst).map(({ weight }) => weight));
}

function allocate(pages: number): WebAssembly.Memory {
  const hint = "The embedded backend holds at most 4 GiB a model: 16 bytes a parameter that is trained, 4 otherwise.";
  if (pages > maxPages) throw new TruelineError("TL_BACKEND_OUT_OF_MEMORY", `the model needs ${pages / 16384} GiB`, { hint });
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages });
  } catch (cause) {
    throw new TruelineError("TL_BACKEND_OUT_OF_MEMORY", `${pages / 16384} GiB could not be had`, { hint, cause });
  }
}

/** Writes the transpose of a row-major [rows, columns] matrix, in blocks that fit the cache. */
function transpose(source: Float32Array, target: Float32Array, rows: number, columns: number): void {
  const block = 32;
  for (let top = 0; top < rows; top += block) {
    for (let left = 0; left < columns; left += block) {
      for (let row = top; row < Math.min(top + block, rows); row++) {
        for (let column = left; column < Math.min(left + block, columns); column++) {
          target[column * rows + row] = source[row * columns + column]!;
        }
      }
    }
  }
}
