import type { Head, ModelConfiguration } from "./architecture.js";
import { type Family, families } from "./families.js";

/** A table of rows picked by number. Its weight is [rows, width]. */
export interface Table {
  readonly weight: string;
  readonly rows: number;
  readonly width: number;
}

/** A matrix product. Its bias, where there is one, is `bias`, [output]. */
export interface Linear {
  /** Name of its module, such as "model.layers.0.self_attn.q_proj". */
  readonly module: string;
  readonly weight: string;
  readonly bias?: string;
  readonly input: number;
  readonly output: number;
  /** In files the weight is [input, output], else [output, input]. */
  readonly inputFirst: boolean;
  /** Writes into the residual stream. */
  readonly residual: boolean;
}

/** Over the last axis: `rms` divides by the root of the mean square; `layer` takes the mean away before, and adds a bias after. */
export type Norm =
  | { readonly kind: "rms"; readonly weight: string; readonly width: number }
  | { readonly kind: "layer"; readonly weight: string; readonly bias: string; readonly width: number };

/** Norm, attention, norm, feed-forward; each pair's outcome is added to the stream. */
export interface Layer {
  readonly attentionNorm: Norm;
  /** `fused` gives queries, keys and values side by side. */
  readonly projections: { readonly query: Linear; readonly key: Linear; readonly value: Linear } | { readonly fused: Linear };
  /** Of each head of queries and keys, before they are turned. */
  readonly headNorms?: { readonly query: Norm; readonly key: Norm };
  readonly output: Linear;
  /** Tokens that a query looks back on, itself included; all of them where undefined. */
  readonly window?: number;
  readonly feedForwardNorm: Norm;
  /** With a gate silu(gate) · up, without one gelu(up); then down. */
  readonly feedForward: { readonly gate?: Linear; readonly up: Linear; readonly down: Linear };
}

/**
 * What a model is made of, with the names in files: the one description from which parameters are counted, initialised, saved,
 * and computed with.
 */
export interface Blueprint {
  readonly embedding: Table;
  /** Learned positions, added to the embedding; else queries and keys are turned. */
  readonly positions?: Table;
  readonly layers: readonly Layer[];
  readonly norm: Norm;
  /** Undefined where the embedding serves, and for value models. */
  readonly languageHead?: Linear;
  /** Score or value. */
  readonly label?: Linear;
}

/** The parts of a configuration's model under a head. */
export function blueprintOf(configuration: ModelConfiguration, head: Head): Blueprint {
  const family: Family = families[configuration.family];
  const { names, inputFirst } = family;
  const { hidden, vocabulary, context, tiedEmbeddings } = configuration;
  const table = (name: string, rows: number): Table => ({ weight: `${name}.weight`, rows, width: hidden });
  const label = head === "language" ? undefined : linear(names.label[head], hidden, 1, { bias: head === "value" });
  return {
    embedding: table(names.embedding, vocabulary),
    positions: names.positions === undefined ? undefined : table(names.positions, context),
    layers: Array.from({ length: configuration.layers }, (_, index) => layerOf(configuration, family, index, inputFirst)),
    norm: norm(names.norm, hidden, family.norm),
    languageHead: head === "value" || tiedEmbeddings ? undefined : linear(names.languageHead, hidden, vocabulary),
    label,
  };
}

function layerOf(configuration: ModelConfiguration, { names, norm: kind }: Family, index: number, inputFirst: boolean): Layer {
  const { hidden, heads, keyValueHeads, headSize, intermediate, attentionBias, outputBias, mlpBias, window } = configuration;
  const named = (name: string): string => `${names.layer(index)}.${name}`;
  const attending = (name: string, output: number): Linear => linear(named(name), hidden, output, { bias: attentionBias, inputFirst });
  const { projections: asked, headNorms } = names;
  const [queries, keys] = [heads * headSize, keyValueHeads * headSize];
  return {
    attentionNorm: norm(named(names.attentionNorm), hidden, kind),
    projections: "fused" in asked
      ? { fused: attending(asked.fused, queries + 2 * keys) }
      : { query: attending(asked.query, queries), key: attending(asked.key, keys), value: attending(asked.value, keys) },
    headNorms: headNorms && { query: norm(named(headNorms.query), headSize, "rms"), key: norm(named(headNorms.key), headSize, "rms") },
    output: linear(named(names.output), queries, hidden, { bias: outputBias, inputFirst, residual: true }),
    window: window?.layers.includes(index) === true ? window.tokens : undefined,
    feedForwardNorm: norm(named(names.feedForwardNorm), hidden, kind),
    feedForward: {
      gate: names.gate === undefined ? undefined : linear(named(names.gate), hidden, intermediate, { bias: mlpBias, inputFirst }),
      up: linear(named(names.up), hidden, intermediate, { bias: mlpBias, inputFirst }),
      down: linear(named(names.down), intermediate, hidden, { bias: mlpBias, inputFirst, residual: true }),
    },
  };
}

function linear(
  module: string, input: number, output: number,
  { bias = false, inputFirst = false, residual = false }: { readonly bias?: boolean; readonly inputFirst?: boolean; readonly residual?: boolean } = {},
): Linear {
  return { module, weight: `${module}.weight`, bias: bias ? `${module}.bias` : undefined, input, output, inputFirst, residual };
}

const norm = (name: string, width: number, kind: "rms" | "layer"): Norm =>
  kind === "rms" ? { kind, weight: `${name}.weight`, width } : { kind, weight: `${name}.weight`, bias: `${name}.bias`, width };

/** The matrix products that make queries, keys and values. */
export const projectionsOf = ({ projections }: Layer): readonly Linear[] =>
  "fused" in projections ? [projections.fused] : [projections.query, projections.key, projections.value];

/** All matrix products of a layer, in the order of their parameters. */
export function linearsOf(layer: Layer): readonly Linear[] {
  const { gate, up, down } = layer.feedForward;
  return [...projectionsOf(layer), layer.output, ...(gate === undefined ? [] : [gate]), up, down];
}
