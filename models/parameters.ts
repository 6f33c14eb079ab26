import { TruelineError } from "../foundation/errors.js";
import type { Head, ModelConfiguration } from "./architecture.js";
import { type Linear, type Norm, type Table, blueprintOf, projectionsOf } from "./blueprint.js";
import type { Tensor } from "./safetensors.js";

/**
 * Every parameter by its Hugging Face name, in a fixed order, with its shape as in files. A `score` model keeps its LM head
 * unless embeddings are tied; a `value` model has none.
 */
export function parameterShapes(configuration: ModelConfiguration, head: Head): ReadonlyMap<string, readonly number[]> {
  const { embedding, positions, layers, norm, languageHead, label } = blueprintOf(configuration, head);
  const shapes = new Map<string, readonly number[]>();
  const addTable = ({ weight, rows, width }: Table) => shapes.set(weight, [rows, width]);
  const addLinear = ({ weight, bias, input, output, inputFirst }: Linear) => {
    shapes.set(weight, inputFirst ? [input, output] : [output, input]);
    if (bias !== undefined) shapes.set(bias, [output]);
  };
  const addNorm = (each: Norm) => {
    shapes.set(each.weight, [each.width]);
    if (each.kind === "layer") shapes.set(each.bias, [each.width]);
  };
  addTable(embedding);
  if (positions !== undefined) addTable(positions);
  for (const layer of layers) {
    const { gate, up, down } = layer.feedForward;
    addNorm(layer.attentionNorm);
    projectionsOf(layer).forEach(addLinear);
    Object.values(layer.headNorms ?? {}).forEach(addNorm);
    addLinear(layer.output);
    addNorm(layer.feedForwardNorm);
    [gate, up, down].forEach((each) => each && addLinear(each));
  }
  addNorm(norm);
  if (languageHead !== undefined) addLinear(languageHead);
  if (label !== undefined) addLinear(label);
  return shapes;
}

/** The parameters of a score or value head: those that a language model lacks. */
export function headShapes(configuration: ModelConfiguration, head: Head): ReadonlyMap<string, readonly number[]> {
  const others = parameterShapes(configuration, "language");
  return new Map([...parameterShapes(configuration, head)].filter(([name]) => !others.has(name)));
}

/** Number of elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

/** Number of parameters in all. */
export function parameterCount(configuration: ModelConfiguration, head: Head): number {
  return [...parameterShapes(configuration, head).values()].reduce((sum, shape) => sum + sizeOf(shape), 0);
}

/** Bytes a parameter takes in training: weight, gradient and both of Adam's moments, in float32. */
export const trainedBytes = 16;

/** Bytes that the embedded backend holds a model in, at most: the address space of WebAssembly. */
export const maxModelBytes = 2 ** 32;

/**
 * Checks that every given parameter is among the tensors with its shape.
 * @throws TL_MODEL_TENSORS naming the directory and the tensor.
 */
export function checkTensors(
  tensors: ReadonlyMap<string, Tensor>, shapes: ReadonlyMap<string, readonly number[]>, directory: string,
): void {
  for (const [name, shape] of shapes) {
    const found = tensors.get(name);
    if (found === undefined) {
      throw new TruelineError("TL_MODEL_TENSORS", `${directory}: tensor ${name} is missing`, { hint: `config.json promises it with shape [${shape.join(", ")}].` });
    }
    if (found.shape.length !== shape.length || found.shape.some((length, axis) => length !== shape[axis])) {
      throw new TruelineError("TL_MODEL_TENSORS", `${directory}: tensor ${name} has shape [${found.shape.join(", ")}]`, { hint: `config.json promises [${shape.join(", ")}].` });
    }
  }
}
