import { TruelineError } from "../foundation/errors.js";
import type { Head, ModelConfiguration } from "./architecture.js";
import type { Tensor } from "./safetensors.js";

/**
 * Every parameter by its Hugging Face name, in a fixed order, with its shape; matrices are [out, in]. A `score` model
 * keeps its LM head, as `lm_head.weight` unless embeddings are tied; a `value` model has none.
 */
export function parameterShapes(configuration: ModelConfiguration, head: Head): ReadonlyMap<string, readonly number[]> {
  const { hidden, vocabulary, heads, keyValueHeads, headSize, intermediate } = configuration;
  const shapes = new Map<string, readonly number[]>();
  const linear = (name: string, output: number, input: number, bias: boolean) => {
    shapes.set(`${name}.weight`, [output, input]);
    if (bias) shapes.set(`${name}.bias`, [output]);
  };
  shapes.set("model.embed_tokens.weight", [vocabulary, hidden]);
  for (let layer = 0; layer < configuration.layers; layer++) {
    const at = `model.layers.${layer}`;
    shapes.set(`${at}.input_layernorm.weight`, [hidden]);
    linear(`${at}.self_attn.q_proj`, heads * headSize, hidden, configuration.attentionBias);
    linear(`${at}.self_attn.k_proj`, keyValueHeads * headSize, hidden, configuration.attentionBias);
    linear(`${at}.self_attn.v_proj`, keyValueHeads * headSize, hidden, configuration.attentionBias);
    linear(`${at}.self_attn.o_proj`, hidden, heads * headSize, configuration.outputBias);
    shapes.set(`${at}.post_attention_layernorm.weight`, [hidden]);
    linear(`${at}.mlp.gate_proj`, intermediate, hidden, configuration.mlpBias);
    linear(`${at}.mlp.up_proj`, intermediate, hidden, configuration.mlpBias);
    linear(`${at}.mlp.down_proj`, hidden, intermediate, configuration.mlpBias);
  }
  shapes.set("model.norm.weight", [hidden]);
  if (head !== "value" && !configuration.tiedEmbeddings) shapes.set("lm_head.weight", [vocabulary, hidden]);
  if (head !== "language") linear("score", 1, hidden, head === "value");
  return shapes;
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
