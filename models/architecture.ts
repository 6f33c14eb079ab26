import { TruelineError } from "../foundation/errors.js";

export const families = ["llama", "qwen2", "mistral"] as const;
export type Family = (typeof families)[number];

/**
 * `language`: LM head (LlamaForCausalLM). `score`: one label on the last token (LlamaForSequenceClassification), with the
 * LM head kept beside it. `value`: one label on every token, with bias (LlamaForTokenClassification).
 */
export const heads = ["language", "score", "value"] as const;
export type Head = (typeof heads)[number];

/** A decoder of the Llama kind: RMSNorm before each block, rotary positions, grouped-query attention, SwiGLU. */
export interface ModelConfiguration {
  readonly family: Family;
  /** Rows of the embedding; at least the tokenizer's size. */
  readonly vocabulary: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  /** Divides `heads`. */
  readonly keyValueHeads: number;
  /** Width of one head; even. heads × headSize may differ from `hidden`. */
  readonly headSize: number;
  readonly intermediate: number;
  /** Longest sequence in tokens. */
  readonly context: number;
  readonly ropeTheta: number;
  readonly normEpsilon: number;
  /** The LM head is the embedding. */
  readonly tiedEmbeddings: boolean;
  /** Bias on the q, k and v projections. */
  readonly attentionBias: boolean;
  /** Bias on the attention's output projection. */
  readonly outputBias: boolean;
  /** Bias on gate, up and down projections. */
  readonly mlpBias: boolean;
  readonly beginToken?: number;
  readonly endTokens: readonly number[];
  readonly padToken?: number;
}

/** Which biases each family's layout has room for: [attention, output, mlp]. */
const biasPatterns: Readonly<Record<Family, readonly (readonly [boolean, boolean, boolean])[]>> = {
  llama: [[false, false, false], [true, true, false], [false, false, true], [true, true, true]],
  qwen2: [[true, false, false]],
  mistral: [[false, false, false]],
};

/** Largest sizes that are believed; models with more exist nowhere, and a file that claims more would only fill the memory. */
const largest = {
  vocabulary: 2 ** 24, hidden: 2 ** 20, layers: 2 ** 12, heads: 2 ** 14, keyValueHeads: 2 ** 14, headSize: 2 ** 16, intermediate: 2 ** 22, context: 2 ** 28,
} as const;

/**
 * The same configuration if it can be built and written in its family's layout.
 * @param where what to name in the message, such as a file or a model of a spec.
 * @throws TL_MODEL_CONFIGURATION naming the field.
 */
export function checkConfiguration(configuration: ModelConfiguration, where: string): ModelConfiguration {
  const fail = (field: string, wrong: string, hint: string): never => {
    throw new TruelineError("TL_MODEL_CONFIGURATION", `${where}: ${field} ${wrong}`, { hint });
  };
  for (const [field, most] of Object.entries(largest)) {
    const value = configuration[field as keyof typeof largest];
    if (!Number.isSafeInteger(value) || value < 1 || value > most) fail(field, `is ${value}`, `${field} is a whole number from 1 to ${most}.`);
  }
  for (const field of ["ropeTheta", "normEpsilon"] as const) {
    if (!(configuration[field] > 0 && Number.isFinite(configuration[field]))) fail(field, `is ${configuration[field]}`, `${field} is above 0.`);
  }
  const { heads, keyValueHeads, headSize, vocabulary, family } = configuration;
  if (heads % keyValueHeads !== 0) fail("keyValueHeads", `is ${keyValueHeads}, which does not divide ${heads} heads`, "Each key-value head serves the same number of heads.");
  if (headSize % 2 !== 0) fail("headSize", `is ${headSize}`, "Rotary positions turn pairs of dimensions: take an even head size.");
  const tokens = { beginToken: [configuration.beginToken], endTokens: configuration.endTokens, padToken: [configuration.padToken] };
  for (const [field, ids] of Object.entries(tokens)) {
    for (const id of ids) {
      if (id !== undefined && !(Number.isSafeInteger(id) && id >= 0 && id < vocabulary)) fail(field, `is ${id}`, `Token ids lie below the vocabulary's ${vocabulary}.`);
    }
  }
  const biases = [configuration.attentionBias, configuration.outputBias, configuration.mlpBias];
  if (!biasPatterns[family].some((pattern) => pattern.every((bias, index) => bias === biases[index]))) {
    fail("family", `${family} has no layout with attentionBias ${biases[0]}, outputBias ${biases[1]}, mlpBias ${biases[2]}`,
      "llama: attentionBias equals outputBias; qwen2: attentionBias alone; mistral: none.");
  }
  return configuration;
}
