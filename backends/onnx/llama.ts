import type { ModelConfiguration } from "../../models/configuration.js";
import { attention } from "./attention.js";
import { crossEntropy } from "./cross-entropy.js";
import type { GraphBuilder, Value } from "./graph.js";
import { type Rotation, embedding, gatherRows, linear, rmsNorm, rotate, swiGlu } from "./operations.js";
import type { PackedInputs, Selection } from "./packing.js";
import { rotationInputs } from "./rotation.js";
import type { Tape } from "./tape.js";
import { embeddingName } from "./weights.js";

/** A decoder's parameter as a value of the graph; undefined where the model has none of this name. */
export type ParameterOf = (name: string) => Value | undefined;

/**
 * The decoder of the Llama kind over packed rows: hidden states after the last norm, of the selected rows only.
 * What the last layer does after its keys and values is done for these alone.
 */
export function decode(tape: Tape, configuration: ModelConfiguration, parameterOf: ParameterOf, inputs: PackedInputs): Value {
  const { graph } = tape;
  const { normEpsilon } = configuration;
  const weight = (name: string): Value => required(parameterOf, name);
  const project = (x: Value, name: string, residual?: Value): Value =>
    linear(tape, x, weight(`${name}.weight`), { bias: parameterOf(`${name}.bias`), residual });
  const rotation = rotationOf(graph, configuration);
  const mask = causalMask(graph, inputs.all.rows);

  let stream = embedding(tape, weight(embeddingName), inputs.tokens);
  for (let layer = 0; layer < configuration.layers; layer++) {
    const at = `model.layers.${layer}`;
    const isLast = layer === configuration.layers - 1;
    const query = isLast ? inputs.selectedPlacement : inputs.all;
    const positions = isLast ? graph.node("Gather", [inputs.positions, inputs.selected]) : inputs.positions;

    const normed = rmsNorm(tape, stream, weight(`${at}.input_layernorm.weight`), normEpsilon);
    const asking = isLast ? gatherRows(tape, normed, inputs.selected) : normed;
    const queries = rotate(tape, project(asking, `${at}.self_attn.q_proj`), positions, rotation);
    const keys = rotate(tape, project(normed, `${at}.self_attn.k_proj`), inputs.positions, rotation);
    const values = project(normed, `${at}.self_attn.v_proj`);
    const attended = attention(tape, [queries, keys, values], { query, key: inputs.all, mask }, configuration);
    if (isLast) stream = gatherRows(tape, stream, inputs.selected);
    stream = project(attended, `${at}.self_attn.o_proj`, stream);

    const inner = rmsNorm(tape, stream, weight(`${at}.post_attention_layernorm.weight`), normEpsilon);
    const gated = swiGlu(tape, project(inner, `${at}.mlp.gate_proj`), project(inner, `${at}.mlp.up_proj`));
    stream = project(gated, `${at}.mlp.down_proj`, stream);
  }
  return rmsNorm(tape, stream, weight("model.norm.weight"), normEpsilon);
}

/** Values of a model's heads, made when first asked for, so that a graph holds only what is used. */
export interface HeadValues {
  /** [m] each. */
  languageModel(): { readonly logProbabilities: Value; readonly entropy: Value };
  /** [m] */
  values(): Value;
  /** [b] */
  scores(): Value;
}

/** @param inverseTemperature a scalar that multiplies the logits. */
export function heads(
  tape: Tape, configuration: ModelConfiguration, parameterOf: ParameterOf,
  inputs: PackedInputs, selection: Selection, inverseTemperature: Value,
): HeadValues {
  const hidden = lazily(() => decode(tape, configuration, parameterOf, inputs));
  const both = selection.targets && selection.last;
  const beforeTargets = lazily(() => both ? gatherRows(tape, hidden(), inputs.beforeTargets) : hidden());
  const last = lazily(() => both ? gatherRows(tape, hidden(), inputs.last) : hidden());
  const label = (rows: Value): Value => {
    const output = linear(tape, rows, required(parameterOf, "score.weight"), { bias: parameterOf("score.bias") });
    const axis = tape.graph.constant([-1], "int64");
    return tape.recordOne(tape.graph.node("Squeeze", [output, axis]), [output], (gradient, flow) =>
      flow.add(output, () => tape.graph.node("Unsqueeze", [gradient, axis])));
  };
  return {
    languageModel: lazily(() => {
      // dividing the hidden states is cheaper than dividing the logits
      const scaled = scale(tape, beforeTargets(), inverseTemperature);
      const logits = configuration.tiedEmbeddings
        ? linear(tape, scaled, required(parameterOf, embeddingName), { transposed: true })
        : linear(tape, scaled, required(parameterOf, "lm_head.weight"));
      return crossEntropy(tape, logits, inputs.targetTokens);
    }),
    values: lazily(() => label(beforeTargets())),
    scores: lazily(() => label(last())),
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

/** [T, T]: 0 where the column's time is not after the row's, else low enough to vanish in a softmax. */
function causalMask(graph: GraphBuilder, grid: Value): Value {
  const size = graph.node("Gather", [graph.node("Shape", [grid], {}, { type: "int64" }), graph.constant(0, "int64")]);
  const times = graph.node("Range", [graph.constant(0, "int64"), size, graph.constant(1, "int64")]);
  const along = (axis: number): Value => graph.node("Unsqueeze", [times, graph.constant([axis], "int64")]);
  const later = graph.node("Less", [along(1), along(0)], {}, { type: "bool" });
  return graph.node("Where", [later, graph.constant(-1e30), graph.constant(0)], {}, { type: "float32" });
}

function required(parameterOf: ParameterOf, name: string): Value {
  const value = parameterOf(name);
  if (value === undefined) throw new RangeError(`the model has no parameter ${name}`);
  return value;
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
