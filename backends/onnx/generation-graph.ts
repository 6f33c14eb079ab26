import type { ModelConfiguration } from "../../models/architecture.js";
import { GraphBuilder, microsoft, type Value } from "./graph.js";
import { rotations } from "./rotation.js";
import { embeddingName } from "./weights.js";

/** How the graph gets a parameter: as an input of each run or as an initializer of the session. */
export type ParameterSource = (graph: GraphBuilder, name: string) => Value;

export const pastKeys = (layer: number): string => `pastKeys${layer}`;
export const pastValues = (layer: number): string => `pastValues${layer}`;
export const newKeys = (layer: number): string => `newKeys${layer}`;
export const newValues = (layer: number): string => `newValues${layer}`;

/**
 * One forward pass over a chunk of C new tokens of B rows behind a cache of T: C is 1 when sampling and a stretch of the
 * prompts before that, T may be 0. Arrays are position-major, so that the cache [T, B, key-value heads, head size] grows
 * at its end and is fed as a view; scores of past and chunk are computed apart for the same reason.
 *
 * Inputs: tokens [C·B] int32, positions [C·B, 1] int64, shape [2] int64 (C, B), lengths [2] int64 (T, C),
 * bias [B, 1, C·groups or 1, T + C] (0 where a query may look, a large negative number elsewhere), inverseTemperature [1], caches.
 * Outputs: logits [B, vocabulary] after the last position, their softmax at the temperature as `probabilities`, and
 * the chunk's keys and values [C, B, key-value heads, head size].
 */
export function generationGraph(configuration: ModelConfiguration, parameter: ParameterSource): Uint8Array {
  const graph = new GraphBuilder();
  const { hidden, heads, keyValueHeads, headSize, normEpsilon, layers } = configuration;
  const groups = heads / keyValueHeads;
  const scale = 1 / Math.sqrt(headSize);

  const tokens = graph.input("tokens", "int32", ["N"]);
  const positions = graph.input("positions", "int64", ["N", 1]);
  const chunk = graph.input("shape", "int64", [2]);
  const lengths = graph.input("lengths", "int64", [2]);
  const bias = graph.input("bias", "float32", ["B", 1, "R", "S"]);
  const inverseTemperature = graph.input("inverseTemperature", "float32", [1]);
  const [cosines, sines] = rotationTables(graph, configuration);

  const reshape = (value: Value, ...sizes: readonly number[]) => graph.node("Reshape", [value, graph.constant(sizes, "int64")]);
  const shapeOf = (parts: readonly Value[]) => graph.node("Concat", parts, { axis: 0 });
  const size = (value: number) => graph.constant([value], "int64");
  const chunkByHeads = shapeOf([chunk, size(keyValueHeads), size(headSize)]);
  const chunkByGroups = shapeOf([chunk, size(keyValueHeads), size(groups), size(headSize)]);
  const batch = graph.node("Slice", [chunk, size(1), size(2)]);
  const queryRows = shapeOf([batch, size(keyValueHeads), size(-1), size(headSize)]);
  const rowGroups = shapeOf([batch, size(keyValueHeads), size(-1), size(groups), size(headSize)]);
  const columns = shapeOf([chunk, size(hidden)]);

  const linear = (value: Value, name: string, bias: boolean) => graph.node("Gemm", [
    value, parameter(graph, `${name}.weight`), bias ? parameter(graph, `${name}.bias`) : undefined,
  ]);
  const rotate = (value: Value) => graph.node(
    "RotaryEmbedding", [reshape(value, 0, 1, -1), positions, cosines, sines], {}, { domain: microsoft });
  const norm = (value: Value, name: string) => graph.node(
    "SimplifiedLayerNormalization", [value, parameter(graph, name)], { epsilon: { float: normEpsilon } });
  /** a · bᵀ over [B, H, rows, d], where b lies position-major. */
  const products = (left: Value, right: Value, attributes: { readonly transB: number; readonly alpha: { readonly float: number } }) =>
    graph.node("FusedMatMul", [left, right], { ...attributes, transBatchB: 1 }, { domain: microsoft });

  function attention(value: Value, layer: number): Value {
    const at = `model.layers.${layer}.self_attn`;
    const project = (name: string) => linear(value, `${at}.${name}`, configuration.attentionBias);
    const grouped = graph.node("Reshape", [rotate(project("q_proj")), chunkByGroups]);
    const queries = graph.node("Reshape", [graph.node("Transpose", [grouped], { perm: [1, 2, 0, 3, 4] }), queryRows]);
    const keys = graph.node("Reshape", [rotate(project("k_proj")), chunkByHeads]);
    const values = graph.node("Reshape", [project("v_proj"), chunkByHeads]);
    graph.output(keys, newKeys(layer));
    graph.output(values, newValues(layer));
    const cache = ["T", "B", keyValueHeads, headSize];
    const scored = { transB: 1, alpha: { float: scale } };
    const scores = graph.node("Concat", [
      products(queries, graph.input(pastKeys(layer), "float32", cache), scored), products(queries, keys, scored),
    ], { axis: 3 });
    const weights = graph.node("Softmax", [graph.node("Add", [scores, bias])], { axis: -1 });
    const [ofPast, ofChunk] = graph.multiple("Split", [weights, lengths], { axis: 3 }, { outputs: 2 });
    const weighted = { transB: 0, alpha: { float: 1 } };
    const mixed = graph.node("Add", [
      products(ofPast!, graph.input(pastValues(layer), "float32", cache), weighted), products(ofChunk!, values, weighted),
    ]);
    const positionMajor = graph.node("Transpose", [graph.node("Reshape", [mixed, rowGroups])], { perm: [2, 0, 1, 3, 4] });
    return linear(reshape(positionMajor, -1, heads * headSize), `${at}.o_proj`, configuration.outputBias);
  }

  function feedForward(value: Value, layer: number): Value {
    const at = `model.layers.${layer}.mlp`;
    const gate = graph.node("QuickGelu", [linear(value, `${at}.gate_proj`, configuration.mlpBias)], { alpha: { float: 1 } }, { domain: microsoft });
    return linear(graph.node("Mul", [gate, linear(value, `${at}.up_proj`, configuration.mlpBias)]), `${at}.down_proj`, configuration.mlpBias);
  }

  let state = graph.node("Gather", [parameter(graph, embeddingName), tokens]);
  for (let layer = 0; layer < layers; layer++) {
    const at = `model.layers.${layer}`;
    state = graph.node("Add", [state, attention(norm(state, `${at}.input_layernorm.weight`), layer)]);
    state = graph.node("Add", [state, feedForward(norm(state, `${at}.post_attention_layernorm.weight`), layer)]);
  }
  const last = graph.node("Gather", [graph.node("Reshape", [state, columns]), graph.constant(-1, "int64")], { axis: 0 });
  const features = norm(last, "model.norm.weight");
  const logits = configuration.tiedEmbeddings
    ? graph.node("Gemm", [features, parameter(graph, embeddingName)], { transB: 1 })
    : graph.node("Gemm", [features, parameter(graph, "lm_head.weight")]);
  graph.output(logits, "logits");
  graph.output(graph.node("Softmax", [graph.node("Mul", [logits, inverseTemperature])], { axis: -1 }), "probabilities");
  return graph.build();
}

/** Cosines and sines of all positions. [context, head size / 2] */
function rotationTables(graph: GraphBuilder, configuration: ModelConfiguration): readonly [Value, Value] {
  const { cosines, sines } = rotations(configuration, configuration.context);
  const shape = [configuration.context, configuration.headSize / 2];
  return [graph.initializer("cosines", cosines, shape), graph.initializer("sines", sines, shape)];
}
