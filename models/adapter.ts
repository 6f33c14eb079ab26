import { randomAt } from "../foundation/random.js";
import type { ModelConfiguration } from "./architecture.js";
import { type Linear, blueprintOf, linearsOf } from "./blueprint.js";
import type { Tensor } from "./safetensors.js";

/** A matrix product that an adapter may stand on. */
export type AdaptableLayer = Pick<Linear, "module" | "input" | "output" | "inputFirst">;

/** Which layers get an adapter: names of modules or the ends of such names, as PEFT's target_modules; or all there are. */
export type Targets = "all-linear" | readonly string[];

/** Names of a layer's two matrices: A is [rank, input], B [output, rank]; x · Aᵀ · Bᵀ, scaled, is added to the layer's product. */
export const adapterNames = (module: string): { readonly a: string; readonly b: string } =>
  ({ a: `${module}.lora_A.weight`, b: `${module}.lora_B.weight` });

/** Whether a parameter is an adapter's matrix. */
export const isOfAdapter = (name: string): boolean => /\.lora_[AB]\.weight$/.test(name);

/** The layers that adapters may stand on: every linear one inside the decoder, as PEFT's "all-linear". */
export function adaptableLayers(configuration: ModelConfiguration): readonly AdaptableLayer[] {
  return blueprintOf(configuration, "language").layers.flatMap(linearsOf);
}

/** What layers are called in `targets`: the last part of their modules' names, each once. */
export const targetNames = (layers: readonly Pick<AdaptableLayer, "module">[]): readonly string[] =>
  [...new Set(layers.map(({ module }) => module.slice(module.lastIndexOf(".") + 1)))];

/** Those of the targets that name no layer. */
export const unknownTargets = (layers: readonly Pick<AdaptableLayer, "module">[], targets: Targets): readonly string[] =>
  targets === "all-linear" ? [] : targets.filter((target) => !layers.some(({ module }) => isNamed(module, target)));

export const targetedLayers = (layers: readonly AdaptableLayer[], targets: Targets): readonly AdaptableLayer[] =>
  targets === "all-linear" ? layers : layers.filter(({ module }) => targets.some((target) => isNamed(module, target)));

const isNamed = (module: string, target: string): boolean => module === target || module.endsWith(`.${target}`);

/** Shapes of the matrices on some layers, in the layers' order, A before B. */
export function adapterShapes(layers: readonly AdaptableLayer[], rank: number): ReadonlyMap<string, readonly number[]> {
  return new Map(layers.flatMap(({ module, input, output }): [string, readonly number[]][] => {
    const { a, b } = adapterNames(module);
    return [[a, [rank, input]], [b, [output, rank]]];
  }));
}

/** A new A: uniform in ±1/√input (Kaiming with a = √5, as PEFT's default). B is zero, so that a new adapter changes nothing. */
export function initialA({ module, input }: AdaptableLayer, rank: number, seed: number): Tensor {
  const random = randomAt(seed, "adapter", module);
  const bound = 1 / Math.sqrt(input);
  return { shape: [rank, input], data: Float32Array.from({ length: rank * input }, () => bound * (2 * random.uniform() - 1)) };
}

/** A new adapter's matrices on some layers. */
export function initialAdapter(layers: readonly AdaptableLayer[], rank: number, seed: number): ReadonlyMap<string, Tensor> {
  return new Map(layers.flatMap((layer): [string, Tensor][] => {
    const { a, b } = adapterNames(layer.module);
    return [[a, initialA(layer, rank, seed)], [b, { shape: [layer.output, rank], data: new Float32Array(layer.output * rank) }]];
  }));
}

/**
 * A model's tensors with an adapter's products added to the weights they stand on: W + scale · B · A, in doubles and rounded
 * once. Tensors that the adapter does not touch are the same objects.
 */
export function foldAdapter(
  tensors: ReadonlyMap<string, Tensor>, adapter: ReadonlyMap<string, Tensor>, layers: readonly AdaptableLayer[], scale: number,
): ReadonlyMap<string, Tensor> {
  const folded = new Map(tensors);
  for (const layer of layers) {
    const { a, b } = adapterNames(layer.module);
    const [left, right] = [adapter.get(b), adapter.get(a)];
    const name = `${layer.module}.weight`;
    const weight = tensors.get(name);
    if (left !== undefined && right !== undefined && weight !== undefined) folded.set(name, foldedWeight(weight, left, right, layer, scale));
  }
  return folded;
}

function foldedWeight(
  { shape, data }: Tensor, { shape: [, rank = 0], data: b }: Tensor, { data: a }: Tensor,
  { input, output, inputFirst }: AdaptableLayer, scale: number,
): Tensor {
  const folded = new Float32Array(data.length);
  const sums = new Float64Array(input);
  for (let out = 0; out < output; out++) {
    sums.fill(0);
    for (let place = 0; place < rank; place++) {
      const factor = scale * b[out * rank + place]!;
      const row = place * input;
      for (let column = 0; column < input; column++) sums[column]! += factor * a[row + column]!;
    }
    for (let column = 0; column < input; column++) {
      const at = inputFirst ? column * output + out : out * input + column;
      folded[at] = data[at]! + sums[column]!;
    }
  }
  return { shape, data: folded };
}
