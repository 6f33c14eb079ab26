import { lazily, lazilyByKey } from "../../foundation/lazily.js";
import type { Blueprint, Layer, Linear, Norm } from "../../models/blueprint.js";
import { projectionsOf } from "../../models/blueprint.js";
import type { ModelConfiguration } from "../../models/configuration.js";
import { attention } from "./attention.js";
import { crossEntropy } from "./cross-entropy.js";
import type { GraphBuilder, Value } from "./graph.js";
import { layerNorm, rmsNorm } from "./norms.js";
import { type Rotation, embedding, gatherRows, gelu, linear, reshapeRows, rotate, splitColumns, swiGlu } from "./operations.js";
import type { PackedInputs, Selection } from "./packing.js";
import { rotationInputs } from "./rotation.js";
import { type Tape, sumOf } from "./tape.js";

/** A decoder's parameter as a value of the graph. */
export type ParameterOf = (name: string) => Value;

/** The matrices of the adapter on a layer, [input, rank] and [rank, output], and what their product is multiplied by; undefined where there is none. */
export type AdapterOf = (module: string) => { readonly a: Value; readonly b: Value; readonly scale: number } | undefined;

export interface Decoder {
  readonly configuration: ModelConfiguration;
  readonly blueprint: Blueprint;
  readonly parameterOf: ParameterOf;
  readonly adapterOf: AdapterOf;
}

/**
 * A decoder over packed rows: hidden states after the last norm, of the selected rows only. What the last layer does after
 * its keys and values is done for these alone.
 */
export function decode(tape: Tape, { configuration, blueprint, parameterOf, adapterOf }: Decoder, inputs: PackedInputs): Value {
  const { graph } = tape;
  const { headSize, heads, keyValueHeads } = configuration;
  const [wide, narrow] = [heads * headSize, keyValueHeads * headSize];
  const project = (x: Value, of: Linear, residual?: Value): Value => {
    const product = linear(tape, x, parameterOf(of.weight), { bias: of.bias === undefined ? undefined : parameterOf(of.bias), residual });
    const adapter = adapterOf(of.module);
    return adapter === undefined ? product : linear(tape, linear(tape, x, adapter.a), adapter.b, { residual: product, scale: adapter.scale });
  };
  const normalise = (x: Value, norm: Norm): Value => (norm.kind === "rms"
    ? rmsNorm(tape, x, parameterOf(norm.weight), configuration.normEpsilon)
    : layerNorm(tape, x, parameterOf(norm.weight), parameterOf(norm.bias), configuration.normEpsilon));
  const rotation = blueprint.positions === undefined ? rotationOf(graph, configuration) : undefined;
  const maskOf = causalMasks(graph, inputs.all.rows);

  /** Heads lying side by side, normalised each, and turned. */
  const placed = (rows: Value, width: number, norm: Norm | undefined, positions: Value): Value => {
    const normed = norm === undefined ? rows : reshapeRows(tape, normalise(reshapeRows(tape, rows, headSize), norm), width);
    return rotation === undefined ? normed : rotate(tape, normed, positions, rotation);
  };
  /** Queries of the rows that ask; keys and values of all. */
  const projected = (normed: Value, layer: Layer, isLast: boolean): readonly [Value, Value, Value] => {
    const asking = (rows: Value): Value => (isLast ? gatherRows(tape, rows, inputs.selected) : rows);
    const positions = isLast ? graph.node("Gather", [inputs.positions, inputs.selected]) : inputs.positions;
    const [first, second, third] = projectionsOf(layer);
    const [queries, keys, values] = second === undefined || third === undefined
      ? splitColumns(tape, project(normed, first!), [wide, narrow, narrow]).map((rows, index) => (index === 0 ? asking(rows) : rows))
      : [project(asking(normed), first!), project(normed, second), project(normed, third)];
    return [placed(queries!, wide, layer.headNorms?.query, positions), placed(keys!, narrow, layer.headNorms?.key, inputs.positions), values!];
  };
  const fedForward = (x: Value, { gate, up }: Layer["feedForward"]): Value =>
    gate === undefined ? gelu(tape, project(x, up)) : swiGlu(tape, project(x, gate), project(x, up));

  let stream = embedding(tape, parameterOf(blueprint.embedding.weight), inputs.tokens);
  if (blueprint.positions !== undefined) stream = addRows(tape, stream, embedding(tape, parameterOf(blueprint.positions.weight), flat(graph, inputs.positions)));
  blueprint.layers.forEach((layer, index) => {
    const isLast = index === blueprint.layers.length - 1;
    const query = isLast ? inputs.selectedPlacement : inputs.all;
    const normed = normalise(stream, layer.attentionNorm);
    const attended = attention(tape, projected(normed, layer, isLast), { query, key: inputs.all, mask: maskOf(layer.window) }, configuration);
    if (isLast) stream = gatherRows(tape, stream, inputs.selected);
    stream = project(attended, layer.output, stream);
    stream = project(fedForward(normalise(stream, layer.feedForwardNorm), layer.feedForward), layer.feedForward.down, stream);
  });
  return normalise(stream, blueprint.norm);
}

/** Values of a model's heads, made when first asked for, so that a graph holds only what is used. */
export interface HeadValues {
  /** [m] each. */
  languageModel(): { readonly logProbabilities: Value; readonly entropy: Value };
  /** [m] */
  values(): Value;
  /** [b] */
  scores(): Value;
  /** [b, hidden] */
  features(): Value;
}

/** @param inverseTemperature a scalar that multiplies the logits. */
export function heads(
  tape: Tape, decoder: Decoder, inputs: PackedInputs, selection: Selection, inverseTemperature: Value,
): HeadValues {
  const { blueprint: { embedding: table, languageHead, label }, parameterOf } = decoder;
  const hidden = lazily(() => decode(tape, decoder, inputs));
  const both = selection.targets && selection.last;
  const beforeTargets = lazily(() => both ? gatherRows(tape, hidden(), inputs.beforeTargets) : hidden());
  const last = lazily(() => both ? gatherRows(tape, hidden(), inputs.last) : hidden());
  const labelOf = (rows: Value): Value => {
    if (label === undefined) throw new RangeError("the model has no head of one output");
    const output = linear(tape, rows, parameterOf(label.weight), { bias: label.bias === undefined ? undefined : parameterOf(label.bias) });
    const axis = tape.graph.constant([-1], "int64");
    return tape.recordOne(tape.graph.node("Squeeze", [output, axis]), [output], (gradient, flow) =>
      flow.add(output, () => tape.graph.node("Unsqueeze", [gradient, axis])));
  };
  return {
    languageModel: lazily(() => {
      // dividing the hidden states is cheaper than dividing the logits
      const scaled = scale(tape, beforeTargets(), inverseTemperature);
      const logits = languageHead === undefined
        ? linear(tape, scaled, parameterOf(table.weight), { transposed: true })
        : linear(tape, scaled, parameterOf(languageHead.weight));
      return crossEntropy(tape, logits, inputs.targetTokens);
    }),
    values: lazily(() => labelOf(beforeTargets())),
    scores: lazily(() => labelOf(last())),
    features: last,
  };
}

function scale(tape: Tape, x: Value, factor: Value): Value {
  const { graph } = tape;
  return tape.recordOne(graph.node("Mul", [x, factor]), [x], (gradient, flow) =>
    flow.add(x, () => graph.node("Mul", [gradient, factor])));
}

function rotationOf(graph: GraphBuilder, { headSize }: ModelConfiguration): Rotation {
  const table = (name: string): Value => graph.input(name, "float32", ["positions", headSize / 2]);
  const [cosine, sine] = [table(rotationInputs.cosines), table(rotationInputs.sines)];
  return { cosine, sine, backSine: graph.node("Neg", [sine]) };
}

/**
 * Masks [T, T] by window, each made once: 0 where the column's time is not after the row's and, with a window, less than
 * that before it; else low enough to vanish in a softmax.
 */
function causalMasks(graph: GraphBuilder, grid: Value): (window: number | undefined) => Value {
  const size = graph.node("Gather", [graph.node("Shape", [grid], {}, { type: "int64" }), graph.constant(0, "int64")]);
  const times = graph.node("Range", [graph.constant(0, "int64"), size, graph.constant(1, "int64")]);
  const [rows, columns] = [1, 0].map((axis) => graph.node("Unsqueeze", [times, graph.constant([axis], "int64")]));
  const later = graph.node("Less", [rows, columns], {}, { type: "bool" });
  return lazilyByKey((window) => {
    const hidden = window === undefined ? later : graph.node("Or", [
      later, graph.node("GreaterOrEqual", [graph.node("Sub", [rows, columns]), graph.constant(window, "int64")], {}, { type: "bool" })]);
    return graph.node("Where", [hidden, graph.constant(-1e30), graph.constant(0)], {}, { type: "float32" });
  });
}

function addRows(tape: Tape, left: Value, right: Value): Value {
  const { graph } = tape;
  return tape.recordOne(graph.node("Add", [left, right]), [left, right], (gradient, flow) => {
    for (const side of [left, right]) flow.add(side, (sum) => sumOf(graph, sum, gradient));
  });
}

const flat = (graph: GraphBuilder, column: Value): Value => graph.node("Squeeze", [column, graph.constant([-1], "int64")]);
