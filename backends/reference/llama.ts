import type { ModelConfiguration } from "../../models/configuration.js";
import { causalSoftmax, rmsNorm, rotate } from "./layers.js";
import { add, gatherRows, joinColumns, linear, map, multiply, sliceColumns, transpose } from "./matrices.js";
import type { Matrix, Tape } from "./tape.js";

/** Parameters by Hugging Face name; vectors are matrices of one row. */
export type Parameters = ReadonlyMap<string, Matrix>;

/** Hidden states after the last norm, one row a token: the decoder of LlamaModel in transformers. */
export function hiddenStates(tape: Tape, configuration: ModelConfiguration, parameters: Parameters, tokens: Int32Array): Matrix {
  const { normEpsilon } = configuration;
  const parameter = (name: string): Matrix => parameters.get(name)!;
  let stream = gatherRows(tape, parameter("model.embed_tokens.weight"), tokens);
  for (let layer = 0; layer < configuration.layers; layer++) {
    const at = `model.layers.${layer}`;
    const project = (input: Matrix, name: string): Matrix =>
      linear(tape, input, parameter(`${at}.${name}.weight`), parameters.get(`${at}.${name}.bias`));

    const attended = attention(tape, configuration, project, rmsNorm(tape, stream, parameter(`${at}.input_layernorm.weight`), normEpsilon));
    stream = add(tape, stream, attended);

    const normed = rmsNorm(tape, stream, parameter(`${at}.post_attention_layernorm.weight`), normEpsilon);
    const gate = silu(tape, project(normed, "mlp.gate_proj"));
    stream = add(tape, stream, project(multiply(tape, gate, project(normed, "mlp.up_proj")), "mlp.down_proj"));
  }
  return rmsNorm(tape, stream, parameter("model.norm.weight"), normEpsilon);
}

/** Causal grouped-query attention: query head h reads key-value head ⌊h · keyValueHeads / heads⌋. */
function attention(
  tape: Tape, { heads, keyValueHeads, headSize, ropeTheta }: ModelConfiguration,
  project: (input: Matrix, name: string) => Matrix, input: Matrix,
): Matrix {
  const queries = rotate(tape, project(input, "self_attn.q_proj"), headSize, ropeTheta);
  const keys = rotate(tape, project(input, "self_attn.k_proj"), headSize, ropeTheta);
  const values = project(input, "self_attn.v_proj");
  const outputs = Array.from({ length: heads }, (_, head) => {
    const shared = Math.floor(head * keyValueHeads / heads) * headSize;
    const query = sliceColumns(tape, queries, head * headSize, headSize);
    const key = sliceColumns(tape, keys, shared, headSize);
    const value = sliceColumns(tape, values, shared, headSize);
    const weights = causalSoftmax(tape, linear(tape, query, key), 1 / Math.sqrt(headSize));
    return linear(tape, weights, transpose(tape, value));
  });
  return project(joinColumns(tape, outputs), "self_attn.o_proj");
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

const silu = (tape: Tape, of: Matrix): Matrix =>
  map(tape, of, (x) => x * sigmoid(x), (x, y) => y + sigmoid(x) * (1 - y));
