/** Names of a family's parts in files, without `.weight` and `.bias`; those of a layer follow its prefix. */
interface Names {
  readonly embedding: string;
  /** Table of learned positions. */
  readonly positions?: string;
  readonly layer: (index: number) => string;
  readonly attentionNorm: string;
  /** Either one matrix each, or all three side by side. */
  readonly projections: { readonly query: string; readonly key: string; readonly value: string } | { readonly fused: string };
  /** RMSNorm of each head's queries and keys. */
  readonly headNorms?: { readonly query: string; readonly key: string };
  readonly output: string;
  readonly feedForwardNorm: string;
  /** With a gate: SwiGLU. Without: GELU in its tanh form. */
  readonly gate?: string;
  readonly up: string;
  readonly down: string;
  readonly norm: string;
  readonly languageHead: string;
  /** The linear layer of one output. */
  readonly label: { readonly score: string; readonly value: string };
}

/** What a family's decoder is made of. All are causal, with the norm before each block. */
export interface Family {
  /** Before the class's suffix, such as `ForSequenceClassification`. */
  readonly className: string;
  /** Suffix of the language model's class. */
  readonly languageSuffix: string;
  readonly norm: "rms" | "layer";
  readonly positions: "rotary" | "learned";
  /** Matrices lie [in, out] in files, as Conv1D of transformers, rather than [out, in]. */
  readonly inputFirst: boolean;
  /** Which biases there is room for: attention's projections, its output, the feed-forward layers. The first are the usual ones. */
  readonly biases: readonly (readonly [attention: boolean, output: boolean, feedForward: boolean])[];
  readonly window: "none" | "all layers" | "some layers";
  /** What a saved decoder's names begin with, and those of some published files do not. */
  readonly prefix: string;
  readonly names: Names;
}

const llamaNames: Names = {
  embedding: "model.embed_tokens",
  layer: (index) => `model.layers.${index}`,
  attentionNorm: "input_layernorm",
  projections: { query: "self_attn.q_proj", key: "self_attn.k_proj", value: "self_attn.v_proj" },
  output: "self_attn.o_proj",
  feedForwardNorm: "post_attention_layernorm",
  gate: "mlp.gate_proj",
  up: "mlp.up_proj",
  down: "mlp.down_proj",
  norm: "model.norm",
  languageHead: "lm_head",
  label: { score: "score", value: "score" },
};

const llama: Family = {
  className: "Llama", languageSuffix: "ForCausalLM", norm: "rms", positions: "rotary", inputFirst: false, window: "none", prefix: "model.",
  biases: [[false, false, false], [true, true, false], [false, false, true], [true, true, true]],
  names: llamaNames,
};

/** Every architecture that the embedded backend computes. */
export const families = {
  llama,
  qwen2: { ...llama, className: "Qwen2", window: "some layers", biases: [[true, false, false]] },
  qwen3: {
    ...llama, className: "Qwen3", window: "some layers", biases: [[false, false, false], [true, true, false]],
    names: { ...llamaNames, headNorms: { query: "self_attn.q_norm", key: "self_attn.k_norm" } },
  },
  mistral: { ...llama, className: "Mistral", window: "all layers", biases: [[false, false, false]] },
  gpt2: {
    className: "GPT2", languageSuffix: "LMHeadModel", norm: "layer", positions: "learned", inputFirst: true, window: "none", prefix: "transformer.",
    biases: [[true, true, true]],
    names: {
      embedding: "transformer.wte",
      positions: "transformer.wpe",
      layer: (index) => `transformer.h.${index}`,
      attentionNorm: "ln_1",
      projections: { fused: "attn.c_attn" },
      output: "attn.c_proj",
      feedForwardNorm: "ln_2",
      up: "mlp.c_fc",
      down: "mlp.c_proj",
      norm: "transformer.ln_f",
      languageHead: "lm_head",
      label: { score: "score", value: "classifier" },
    },
  },
} as const satisfies Readonly<Record<string, Family>>;

export type FamilyName = keyof typeof families;
