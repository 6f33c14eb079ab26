import { TruelineError } from "../foundation/errors.js";
import { type Family, type FamilyName, families } from "./families.js";
import type { RopeScaling } from "./rotary.js";

/**
 * `language`: LM head (…ForCausalLM). `score`: one label on the last token (…ForSequenceClassification), with the
 * LM head kept beside it. `value`: one label on every token, with bias (…ForTokenClassification).
 */
export const heads = ["language", "score", "value"] as const;
export type Head = (typeof heads)[number];

/** A model's sizes and what else decides what it computes. What a family's decoder is made of says families.ts. */
export interface ModelConfiguration {
  readonly family: FamilyName;
  /** Rows of the embedding; at least the tokenizer's size. */
  readonly vocabulary: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  /** Divides `heads`. */
  readonly keyValueHeads: number;
  /** Width of one head; even where positions are rotary. heads × headSize may differ from `hidden`. */
  readonly headSize: number;
  readonly intermediate: number;
  /** Longest sequence in tokens. */
  readonly context: number;
  /** Of rotary positions; families with learned ones don't read it. */
  readonly ropeTheta: number;
  readonly ropeScaling?: RopeScaling;
  /** Some layers' queries look back on so many tokens only, themselves included. */
  readonly window?: { readonly tokens: number; readonly layers: readonly number[] };
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
  const fail: Fail = (field, wrong, hint): never => {
    throw new TruelineError("TL_MODEL_CONFIGURATION", `${where}: ${field} ${wrong}`, { hint });
  };
  for (const [field, most] of Object.entries(largest)) {
    const value = configuration[field as keyof typeof largest];
    if (!Number.isSafeInteger(value) || value < 1 || value > most) fail(field, `is ${value}`, `${field} is a whole number from 1 to ${most}.`);
  }
  for (const field of ["ropeTheta", "normEpsilon"] as const) {
    if (!(configuration[field] > 0 && Number.isFinite(configuration[field]))) fail(field, `is ${configuration[field]}`, `${field} is above 0.`);
  }
  const { heads, keyValueHeads, headSize, vocabulary, family: name } = configuration;
  const family: Family = families[name];
  if (heads % keyValueHeads !== 0) fail("keyValueHeads", `is ${keyValueHeads}, which does not divide ${heads} heads`, "Each key-value head serves the same number of heads.");
  if (family.positions === "rotary" && headSize % 2 !== 0) fail("headSize", `is ${headSize}`, "Rotary positions turn pairs of dimensions: take an even head size.");
  if ("fused" in family.names.projections) {
    if (keyValueHeads !== heads) fail("keyValueHeads", `is ${keyValueHeads}`, `${name} has as many as it has heads, ${heads}.`);
    if (heads * headSize !== configuration.hidden) fail("headSize", `is ${headSize}`, `${name}'s ${heads} heads share its width of ${configuration.hidden}.`);
  }
  const tokens = { beginToken: [configuration.beginToken], endTokens: configuration.endTokens, padToken: [configuration.padToken] };
  for (const [field, ids] of Object.entries(tokens)) {
    for (const id of ids) {
      if (id !== undefined && !(Number.isSafeInteger(id) && id >= 0 && id < vocabulary)) fail(field, `is ${id}`, `Token ids lie below the vocabulary's ${vocabulary}.`);
    }
  }
  const biases = [configuration.attentionBias, configuration.outputBias, configuration.mlpBias];
  if (!family.biases.some((pattern) => pattern.every((bias, index) => bias === biases[index]))) {
    const patterns = family.biases.map((pattern) => pattern.join(", ")).join("; ");
    fail("family", `${name} has no layout with attentionBias ${biases[0]}, outputBias ${biases[1]}, mlpBias ${biases[2]}`, `It has layouts for: ${patterns}.`);
  }
  checkPositions(configuration, family, fail);
  return configuration;
}

type Fail = (field: string, wrong: string, hint: string) => never;

function checkPositions({ ropeScaling, window, layers, family: name }: ModelConfiguration, family: Family, fail: Fail): void {
  if (ropeScaling !== undefined) {
    if (family.positions === "learned") fail("ropeScaling", `is ${ropeScaling.kind}`, `${name} has learned positions, which nothing scales.`);
    const { kind, ...numbers } = ropeScaling;
    const wrong = Object.entries(numbers).find(([, value]) => typeof value === "number" && !(value > 0 && Number.isFinite(value)));
    if (wrong !== undefined) fail(`ropeScaling.${wrong[0]}`, `is ${wrong[1]}`, "It is above 0.");
    if (ropeScaling.factor < 1) fail("ropeScaling.factor", `is ${ropeScaling.factor}`, `The factor of ${kind} is at least 1.`);
    if (kind === "llama3" && ropeScaling.highFrequency <= ropeScaling.lowFrequency) {
      fail("ropeScaling.highFrequency", `is ${ropeScaling.highFrequency}`, `It is above lowFrequency, ${ropeScaling.lowFrequency}.`);
    }
  }
  if (window === undefined) return;
  if (family.window === "none") fail("window", `is ${window.tokens}`, `Attention of ${name} is whole.`);
  if (!(Number.isSafeInteger(window.tokens) && window.tokens >= 1)) fail("window.tokens", `is ${window.tokens}`, "It is a whole number above 0.");
  if (family.window === "all layers" && window.layers.length !== layers) fail("window.layers", `names ${window.layers.length} of ${layers} layers`, `All layers of ${name} have the window.`);
}
