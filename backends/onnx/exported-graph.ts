import { lazilyByKey } from "../../foundation/lazily.js";
import type { ModelConfiguration } from "../../models/architecture.js";
import { type Blueprint, type Layer, type Linear, type Norm, projectionsOf } from "../../models/blueprint.js";
import { rotaryFrequencies } from "../../models/rotary.js";
import type { ParameterSource } from "./generation-graph.js";
import { GraphBuilder, type Value } from "./graph.js";

/**
 * The graph that other programs generate with: ONNX's own operators only, inputs and outputs as transformers.js and
 * onnxruntime-genai expect them. Inputs, over B rows of S new tokens behind P cached ones: input_ids and position_ids [B, S], attention_mask
 * [B, P + S] (0 where padding lies), past_key_values.N.key and .value [B, key-value heads, P, head size]; P may be 0.
 * Outputs: logits [B, S, vocabulary], present.N.key and .value [B, key-value heads, P + S, head size].
 * @param source of parameters as they lie in model.safetensors; asked for each once.
 * @param weightsFile beside the graph's file, where parameters are external.
 */
export function exportedGraph(configuration: ModelConfiguration, blueprint: Blueprint, source: ParameterSource, weightsFile: string): Uint8Array {
  const graph = new GraphBuilder(weightsFile);
  const { heads, keyValueHeads, headSize, normEpsilon, vocabulary } = configuration;
  const groups = heads / keyValueHeads;
  const ids = graph.input("input_ids", "int64", ["batch", "sequence"]);
  const mask = graph.input("attention_mask", "int64", ["batch", "total"]);
  const positions = graph.input("position_ids", "int64", ["batch", "sequence"]);

  const ints = (...sizes: readonly number[]) => graph.constant(sizes, "int64");
  const scalar = (value: number) => graph.constant(value, "int64");
  const reshape = (value: Value, ...sizes: readonly number[]) => graph.node("Reshape", [value, ints(...sizes)]);
  const sizesOf = (value: Value) => graph.node("Shape", [value], {}, { type: "int64" });
  const shapeOf = (...parts: readonly Value[]) => graph.node("Concat", parts, { axis: 0 });
  const rowsAndColumns = sizesOf(ids);
  const parameter = lazilyByKey((name: string) => source(graph, name));
  const linear = (value: Value, { weight, bias, inputFirst }: Pick<Linear, "weight" | "bias" | "inputFirst">) =>
    graph.node("Gemm", [value, parameter(weight), bias === undefined ? undefined : parameter(bias)], { transB: inputFirst ? 0 : 1 });
  const norm = (value: Value, of: Norm) => (of.kind === "layer"
    ? graph.node("LayerNormalization", [value, parameter(of.weight), parameter(of.bias)], { epsilon: { float: normEpsilon } })
    : graph.node("Mul", [graph.node("Div", [value, rootMeanSquare(value)]), parameter(of.weight)]));
  const rootMeanSquare = (value: Value) => graph.node("Sqrt", [
    graph.node("Add", [graph.node("ReduceMean", [graph.node("Mul", [value, value]), ints(-1)], { keepdims: 1 }), graph.constant(normEpsilon)])]);

  const rotation = blueprint.positions === undefined ? rotationOf(graph, configuration, positions) : undefined;
  /** Rows [N, H · d] as [B, H, S, d], each head normalised and turned. */
  const byHeads = (rows: Value, count: number, of?: Norm, turned?: typeof rotation) => {
    const split = graph.node("Reshape", [rows, shapeOf(rowsAndColumns, ints(count), ints(headSize))]);
    const normed = of === undefined ? split : norm(split, of);
    return graph.node("Transpose", [turned === undefined ? normed : turn(graph, normed, turned)], { perm: [0, 2, 1, 3] });
  };
  const cache = ["batch", keyValueHeads, "past", headSize];
  const past = (layer: number, kind: "key" | "value") => graph.input(`past_key_values.${layer}.${kind}`, "float32", cache);
  const biasOf = attentionBiases(graph, { mask, sequence: graph.node("Gather", [rowsAndColumns, scalar(1)]) });

  function attention(rows: Value, index: number, layer: Layer): Value {
    const [first, second, third] = projectionsOf(layer);
    const [wide, narrow] = [heads * headSize, keyValueHeads * headSize];
    const [asked, offered, content] = second === undefined || third === undefined
      ? graph.multiple("Split", [linear(rows, first!), ints(wide, narrow, narrow)], { axis: -1 }, { outputs: 3 })
      : [linear(rows, first!), linear(rows, second), linear(rows, third)];
    const keys = graph.node("Concat", [past(index, "key"), byHeads(offered!, keyValueHeads, layer.headNorms?.key, rotation)], { axis: 2 });
    const values = graph.node("Concat", [past(index, "value"), byHeads(content!, keyValueHeads)], { axis: 2 });
    graph.output(keys, `present.${index}.key`, cache.with(2, "total"));
    graph.output(values, `present.${index}.value`, cache.with(2, "total"));
    // Heads that share keys stand one below the other, so that keys need not be copied for each.
    const grouped = (value: Value, width: number) => groups === 1 ? value : reshape(value, 0, keyValueHeads, -1, width);
    const queries = grouped(byHeads(asked!, heads, layer.headNorms?.query, rotation), headSize);
    const products = graph.node("MatMul", [queries, graph.node("Transpose", [keys], { perm: [0, 1, 3, 2] })]);
    const scores = graph.node("Mul", [products, graph.constant(1 / Math.sqrt(headSize))]);
    const total = graph.node("Slice", [sizesOf(keys), ints(2), ints(3)]);
    const apart = groups === 1 ? scores : graph.node("Reshape", [scores, shapeOf(ints(0, heads, -1), total)]);
    const weights = graph.node("Softmax", [graph.node("Add", [apart, biasOf(layer.window)])], { axis: -1 });
    const together = groups === 1 ? weights : graph.node("Reshape", [weights, shapeOf(ints(0, keyValueHeads, -1), total)]);
    const mixed = graph.node("MatMul", [together, values]);
    const perHead = groups === 1 ? mixed : reshape(mixed, 0, heads, -1, headSize);
    return linear(reshape(graph.node("Transpose", [perHead], { perm: [0, 2, 1, 3] }), -1, wide), layer.output);
  }

  function feedForward(rows: Value, { gate, up, down }: Layer["feedForward"]): Value {
    if (gate === undefined) return linear(graph.node("Gelu", [linear(rows, up)], { approximate: "tanh" }), down);
    const opened = linear(rows, gate);
    const silu = graph.node("Mul", [opened, graph.node("Sigmoid", [opened])]);
    return linear(graph.node("Mul", [silu, linear(rows, up)]), down);
  }

  const flat = (value: Value) => reshape(value, -1);
  let state = graph.node("Gather", [parameter(blueprint.embedding.weight), flat(ids)]);
  if (blueprint.positions !== undefined) state = graph.node("Add", [state, graph.node("Gather", [parameter(blueprint.positions.weight), flat(positions)])]);
  blueprint.layers.forEach((layer, index) => {
    state = graph.node("Add", [state, attention(norm(state, layer.attentionNorm), index, layer)]);
    state = graph.node("Add", [state, feedForward(norm(state, layer.feedForwardNorm), layer.feedForward)]);
  });
  const head = blueprint.languageHead ?? { weight: blueprint.embedding.weight, inputFirst: false };
  const logits = linear(norm(state, blueprint.norm), head);
  graph.output(graph.node("Reshape", [logits, shapeOf(rowsAndColumns, ints(vocabulary))]), "logits", ["batch", "sequence", vocabulary]);
  return graph.build();
}

interface Turn {
  /** [B, S, 1, head size / 2] */
  readonly cosines: Value;
  readonly sines: Value;
}

/** Cosines and sines of the positions' angles, computed in the graph as transformers does: a table would be as long as the context. */
function rotationOf(graph: GraphBuilder, configuration: ModelConfiguration, positions: Value): Turn {
  const { radians, magnitude } = rotaryFrequencies(configuration);
  const places = graph.node("Cast", [graph.node("Unsqueeze", [positions, graph.constant([2, 3], "int64")])], { to: 1 }, { type: "float32" });
  const angles = graph.node("Mul", [places, graph.constant([...radians])]);
  const scaled = (value: Value) => magnitude === 1 ? value : graph.node("Mul", [value, graph.constant(magnitude)]);
  return { cosines: scaled(graph.node("Cos", [angles])), sines: scaled(graph.node("Sin", [angles])) };
}

/** Turns heads [B, S, H, d], halves of a head paired. */
function turn(graph: GraphBuilder, heads: Value, { cosines, sines }: Turn): Value {
  const [left, right] = graph.multiple("Split", [heads], { axis: -1, num_outputs: 2 }, { outputs: 2 });
  const times = (value: Value, by: Value) => graph.node("Mul", [value, by]);
  return graph.node("Concat", [
    graph.node("Sub", [times(left!, cosines), times(right!, sines)]), graph.node("Add", [times(right!, cosines), times(left!, sines)]),
  ], { axis: -1 });
}

/** What hides tokens from queries [B, 1, S, P + S], by window: 0 where a query may look, else low enough to vanish in a softmax. */
function attentionBiases(graph: GraphBuilder, { mask, sequence }: { readonly mask: Value; readonly sequence: Value }): (window: number | undefined) => Value {
  const scalar = (value: number) => graph.constant(value, "int64");
  const total = graph.node("Gather", [graph.node("Shape", [mask], {}, { type: "int64" }), scalar(1)]);
  const range = (from: Value, to: Value) => graph.node("Range", [from, to, scalar(1)]);
  const columns = range(scalar(0), total);
  const rows = graph.node("Unsqueeze", [range(graph.node("Sub", [total, sequence]), total), graph.constant([1], "int64")]);
  const isToken = graph.node("Unsqueeze", [graph.node("Cast", [mask], { to: 9 }, { type: "bool" }), graph.constant([1, 2], "int64")]);
  const notLater = graph.node("LessOrEqual", [columns, rows], {}, { type: "bool" });
  return lazilyByKey((window) => {
    const seen = window === undefined ? notLater : graph.node("And", [
      notLater, graph.node("Less", [graph.node("Sub", [rows, columns]), scalar(window)], {}, { type: "bool" })]);
    return graph.node("Where", [graph.node("And", [seen, isToken]), graph.constant(0), graph.constant(-1e30)], {}, { type: "float32" });
  });
}
