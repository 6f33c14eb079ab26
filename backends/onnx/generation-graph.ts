import { adapterNames } from "../../models/adapter.js";
import { type Blueprint, type Layer, type Linear, type Norm, projectionsOf } from "../../models/blueprint.js";
import type { ModelConfiguration } from "../../models/architecture.js";
import { GraphBuilder, microsoft, type Value } from "./graph.js";
import { rotations } from "./rotation.js";

/** How the graph gets a parameter: as an input of each run or as an initializer of the session. */
export type ParameterSource = (graph: GraphBuilder, name: string) => Value;

/** An adapter's matrices, inputs of each run under their names: shapes as computed with, and what their products are multiplied by. */
export interface GenerationAdapter {
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly scale: number;
}

export const pastKeys = (layer: number): string => `pastKeys${layer}`;
export const pastValues = (layer: number): string => `pastValues${layer}`;
export const newKeys = (layer: number): string => `newKeys${layer}`;
export const newValues = (layer: number): string => `newValues${layer}`;
/** Input that hides positions from queries, of layers with a window or without. */
export const biasName = (window: number | undefined): string => (window === undefined ? "bias" : `bias${window}`);

/**
 * One forward pass over a chunk of C new tokens of B rows behind a cache of T: C is 1 when sampling and a stretch of the
 * prompts before that, T may be 0. Arrays are position-major, so that the cache [T, B, key-value heads, head size] grows
 * at its end and is fed as a view; scores of past and chunk are computed apart for the same reason.
 *
 * Inputs: tokens [C·B] int32, positions [C·B, 1] int64, shape [2] int64 (C, B), lengths [2] int64 (T, C),
 * for every window of the layers a bias [B, 1, C·groups or 1, T + C] (0 where a query may look, a large negative number
 * elsewhere), inverseTemperature [1], caches.
 * Outputs: logits [B, vocabulary] after the last position, their softmax at the temperature as `probabilities`, and
 * the chunk's keys and values [C, B, key-value heads, head size].
 */
export function generationGraph(
  configuration: ModelConfiguration, blueprint: Blueprint, parameter: ParameterSource, adapter?: GenerationAdapter,
): Uint8Array {
  const graph = new GraphBuilder();
  const { hidden, heads, keyValueHeads, headSize, normEpsilon } = configuration;
  const groups = heads / keyValueHeads;
  const scale = 1 / Math.sqrt(headSize);

  const tokens = graph.input("tokens", "int32", ["N"]);
  const positions = graph.input("positions", "int64", ["N", 1]);
  const chunk = graph.input("shape", "int64", [2]);
  const lengths = graph.input("lengths", "int64", [2]);
  const biases = new Map(windowsOf(blueprint).map((window) => [window, graph.input(biasName(window), "float32", ["B", 1, "R", "S"])]));
  const inverseTemperature = graph.input("inverseTemperature", "float32", [1]);
  const rotation = blueprint.positions === undefined ? rotationTables(graph, configuration) : undefined;

  const reshape = (value: Value, ...sizes: readonly number[]) => graph.node("Reshape", [value, graph.constant(sizes, "int64")]);
  const shapeOf = (parts: readonly Value[]) => graph.node("Concat", parts, { axis: 0 });
  const size = (value: number) => graph.constant([value], "int64");
  const chunkByHeads = shapeOf([chunk, size(keyValueHeads), size(headSize)]);
  const chunkByGroups = shapeOf([chunk, size(keyValueHeads), size(groups), size(headSize)]);
  const batch = graph.node("Slice", [chunk, size(1), size(2)]);
  const queryRows = shapeOf([batch, size(keyValueHeads), size(-1), size(headSize)]);
  const rowGroups = shapeOf([batch, size(keyValueHeads), size(-1), size(groups), size(headSize)]);
  const columns = shapeOf([chunk, size(hidden)]);

  const parameterOf = (name: string) => parameter(graph, name);
  const linear = (value: Value, { module, weight, bias }: Linear) => {
    const product = graph.node("Gemm", [value, parameterOf(weight), bias === undefined ? undefined : parameterOf(bias)]);
    const { a, b } = adapterNames(module);
    const [first, second] = [a, b].map((name) => adapter?.shapes.get(name));
    if (adapter === undefined || first === undefined || second === undefined) return product;
    const low = graph.node("Gemm", [value, graph.input(a, "float32", first)]);
    return graph.node("Gemm", [low, graph.input(b, "float32", second), product], { alpha: { float: adapter.scale } });
  };
  const norm = (value: Value, of: Norm) => (of.kind === "rms"
    ? graph.node("SimplifiedLayerNormalization", [value, parameterOf(of.weight)], { epsilon: { float: normEpsilon } })
    : graph.node("LayerNormalization", [value, parameterOf(of.weight), parameterOf(of.bias)], { epsilon: { float: normEpsilon } }));
  /** Heads lying side by side, normalised each, and turned. */
  const placed = (value: Value, width: number, of: Norm | undefined) => {
    const normed = of === undefined ? value : reshape(norm(reshape(value, -1, headSize), of), -1, width);
    return rotation === undefined ? normed : graph.node("RotaryEmbedding", [reshape(normed, 0, 1, -1), positions, ...rotation], {}, { domain: microsoft });
  };
  /** a · bᵀ over [B, H, rows, d], where b lies position-major. */
  const products = (left: Value, right: Value, attributes: { readonly transB: number; readonly alpha: { readonly float: number } }) =>
    graph.node("FusedMatMul", [left, right], { ...attributes, transBatchB: 1 }, { domain: microsoft });

  function attention(value: Value, layer: number, of: Layer): Value {
    const [first, second, third] = projectionsOf(of);
    const [wide, narrow] = [heads * headSize, keyValueHeads * headSize];
    const [asked, offered, content] = second === undefined || third === undefined
      ? graph.multiple("Split", [linear(value, first!), graph.constant([wide, narrow, narrow], "int64")], { axis: -1 }, { outputs: 3 })
      : [linear(value, first!), linear(value, second), linear(value, third)];
    const grouped = graph.node("Reshape", [placed(asked!, wide, of.headNorms?.query), chunkByGroups]);
    const queries = graph.node("Reshape", [graph.node("Transpose", [grouped], { perm: [1, 2, 0, 3, 4] }), queryRows]);
    const keys = graph.node("Reshape", [placed(offered!, narrow, of.headNorms?.key), chunkByHeads]);
    const values = graph.node("Reshape", [content!, chunkByHeads]);
    graph.output(keys, newKeys(layer));
    graph.output(values, newValues(layer));
    const cache = ["T", "B", keyValueHeads, headSize];
    const scored = { transB: 1, alpha: { float: scale } };
    const scores = graph.node("Concat", [
      products(queries, graph.input(pastKeys(layer), "float32", cache), scored), products(queries, keys, scored),
    ], { axis: 3 });
    const weights = graph.node("Softmax", [graph.node("Add", [scores, biases.get(of.window)])], { axis: -1 });
    const [ofPast, ofChunk] = graph.multiple("Split", [weights, lengths], { axis: 3 }, { outputs: 2 });
    const weighted = { transB: 0, alpha: { float: 1 } };
    const mixed = graph.node("Add", [
      products(ofPast!, graph.input(pastValues(layer), "float32", cache), weighted), products(ofChunk!, values, weighted),
    ]);
    const positionMajor = graph.node("Transpose", [graph.node("Reshape", [mixed, rowGroups])], { perm: [2, 0, 1, 3, 4] });
    return linear(reshape(positionMajor, -1, heads * headSize), of.output);
  }

  function feedForward(value: Value, { gate, up, down }: Layer["feedForward"]): Value {
    if (gate === undefined) return linear(graph.node("Gelu", [linear(value, up)], { approximate: "tanh" }), down);
    const opened = graph.node("QuickGelu", [linear(value, gate)], { alpha: { float: 1 } }, { domain: microsoft });
    return linear(graph.node("Mul", [opened, linear(value, up)]), down);
  }

  let state = graph.node("Gather", [parameterOf(blueprint.embedding.weight), tokens]);
  if (blueprint.positions !== undefined) {
    const places = graph.node("Squeeze", [positions, graph.constant([-1], "int64")]);
    state = graph.node("Add", [state, graph.node("Gather", [parameterOf(blueprint.positions.weight), places])]);
  }
  blueprint.layers.forEach((layer, index) => {
    state = graph.node("Add", [state, attention(norm(state, layer.attentionNorm), index, layer)]);
    state = graph.node("Add", [state, feedForward(norm(state, layer.feedForwardNorm), layer.feedForward)]);
  });
  const last = graph.node("Gather", [graph.node("Reshape", [state, columns]), graph.constant(-1, "int64")], { axis: 0 });
  const features = norm(last, blueprint.norm);
  const logits = blueprint.languageHead === undefined
    ? graph.node("Gemm", [features, parameterOf(blueprint.embedding.weight)], { transB: 1 })
    : linear(features, blueprint.languageHead);
  graph.output(logits, "logits");
  graph.output(graph.node("Softmax", [graph.node("Mul", [logits, inverseTemperature])], { axis: -1 }), "probabilities");
  return graph.build();
}

/** The windows of the layers, each once; undefined stands for whole attention. */
export const windowsOf = ({ layers }: Blueprint): readonly (number | undefined)[] => [...new Set(layers.map(({ window }) => window))];

/** Cosines and sines of all positions. [context, head size / 2] */
function rotationTables(graph: GraphBuilder, configuration: ModelConfiguration): readonly [Value, Value] {
  const { cosines, sines } = rotations(configuration, configuration.context);
  const shape = [configuration.context, configuration.headSize / 2];
  return [graph.initializer("cosines", cosines, shape), graph.initializer("sines", sines, shape)];
}
