import { adapterNames } from "../../models/adapter.js";
import { type Blueprint, type Layer, type Linear, type Norm, projectionsOf } from "../../models/blueprint.js";
import type { ModelConfiguration } from "../../models/configuration.js";
import { causalSoftmax, layerNorm, rmsNorm, rotate } from "./layers.js";
import { add, gatherRows, joinColumns, linear, map, multiply, reshape, sliceColumns, transpose } from "./matrices.js";
import type { Matrix, Tape } from "./tape.js";

/** Parameters by Hugging Face name; vectors are matrices of one row. */
export type Parameters = ReadonlyMap<string, Matrix>;

export interface Model {
  readonly configuration: ModelConfiguration;
  readonly blueprint: Blueprint;
  readonly parameters: Parameters;
  /** What the products of an adapter's matrices are multiplied by. */
  readonly adapterScale: number;
}

/** Hidden states after the last norm, one row a token: the base model's in transformers. */
export function hiddenStates(tape: Tape, model: Model, tokens: Int32Array): Matrix {
  const { blueprint: { embedding, positions, layers, norm }, parameters } = model;
  const decoder = { ...model, tape };
  let stream = gatherRows(tape, parameters.get(embedding.weight)!, tokens);
  if (positions !== undefined) stream = add(tape, stream, gatherRows(tape, parameters.get(positions.weight)!, tokens.map((_, place) => place)));
  for (const layer of layers) {
    stream = add(tape, stream, attention(decoder, layer, normalise(decoder, stream, layer.attentionNorm)));
    stream = add(tape, stream, feedForward(decoder, layer, normalise(decoder, stream, layer.feedForwardNorm)));
  }
  return normalise(decoder, stream, norm);
}

interface Decoder extends Model {
  readonly tape: Tape;
}

/** A product as [n, input] → [n, output]; where an adapter stands on it, input · Aᵀ · Bᵀ · scale is added. */
export function project(tape: Tape, { parameters, adapterScale }: Model, input: Matrix, { module, weight, bias, inputFirst }: Linear): Matrix {
  const matrix = parameters.get(weight)!;
  const product = linear(tape, input, inputFirst ? transpose(tape, matrix) : matrix, bias === undefined ? undefined : parameters.get(bias));
  const names = adapterNames(module);
  const [a, b] = [parameters.get(names.a), parameters.get(names.b)];
  if (a === undefined || b === undefined) return product;
  return add(tape, product, map(tape, linear(tape, linear(tape, input, a), b), (x) => x * adapterScale, () => adapterScale));
}

function normalise({ tape, configuration: { normEpsilon }, parameters }: Decoder, input: Matrix, norm: Norm): Matrix {
  const weight = parameters.get(norm.weight)!;
  return norm.kind === "rms"
    ? rmsNorm(tape, input, weight, normEpsilon)
    : layerNorm(tape, input, weight, parameters.get(norm.bias)!, normEpsilon);
}

/** Causal grouped-query attention: query head h reads key-value head ⌊h · keyValueHeads / heads⌋. */
function attention(decoder: Decoder, layer: Layer, input: Matrix): Matrix {
  const { tape, configuration, blueprint } = decoder;
  const { heads, keyValueHeads, headSize } = configuration;
  const rows = joinColumns(tape, projectionsOf(layer).map((each) => project(tape, decoder, input, each)));
  const [wide, narrow] = [heads * headSize, keyValueHeads * headSize];
  const placed = (of: Matrix, norm: Norm | undefined): Matrix => {
    const normed = norm === undefined ? of : reshape(tape, normalise(decoder, reshape(tape, of, headSize), norm), of.columns);
    return blueprint.positions === undefined ? rotate(tape, normed, configuration) : normed;
  };
  const queries = placed(sliceColumns(tape, rows, 0, wide), layer.headNorms?.query);
  const keys = placed(sliceColumns(tape, rows, wide, narrow), layer.headNorms?.key);
  const outputs = Array.from({ length: heads }, (_, head) => {
    const shared = Math.floor(head * keyValueHeads / heads) * headSize;
    const query = sliceColumns(tape, queries, head * headSize, headSize);
    const key = sliceColumns(tape, keys, shared, headSize);
    const value = sliceColumns(tape, rows, wide + narrow + shared, headSize);
    const weights = causalSoftmax(tape, linear(tape, query, key), 1 / Math.sqrt(headSize), layer.window);
    return linear(tape, weights, transpose(tape, value));
  });
  return project(tape, decoder, joinColumns(tape, outputs), layer.output);
}

function feedForward(decoder: Decoder, { feedForward: { gate, up, down } }: Layer, input: Matrix): Matrix {
  const { tape } = decoder;
  const raised = project(tape, decoder, input, up);
  const inner = gate === undefined ? gelu(tape, raised) : multiply(tape, silu(tape, project(tape, decoder, input, gate)), raised);
  return project(tape, decoder, inner, down);
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

const silu = (tape: Tape, of: Matrix): Matrix =>
  map(tape, of, (x) => x * sigmoid(x), (x, y) => y + sigmoid(x) * (1 - y));

/** ½ x (1 + tanh u), u = √(2/π) (x + 0.044715 x³). */
function gelu(tape: Tape, of: Matrix): Matrix {
  const root = Math.sqrt(2 / Math.PI);
  const curve = (x: number): number => Math.tanh(root * (x + 0.044715 * x ** 3));
  return map(tape, of, (x) => x / 2 * (1 + curve(x)), (x) =>
    (1 + curve(x)) / 2 + x / 2 * (1 - curve(x) ** 2) * root * (1 + 3 * 0.044715 * x ** 2));
}
