import { z } from "zod";
import { type Family, type Head, type ModelConfiguration, families, heads } from "./architecture.js";

/**
 * The form of Hugging Face's config.json and generation_config.json: which fields are read, what their absence means,
 * and which would change the arithmetic in ways that are not implemented.
 */
const tokenId = z.number().int();

export const configJson = z.looseObject({
  architectures: z.array(z.string()).nullish(),
  model_type: z.string().optional(),
  vocab_size: z.number().int(),
  hidden_size: z.number().int(),
  intermediate_size: z.number().int(),
  num_hidden_layers: z.number().int(),
  num_attention_heads: z.number().int(),
  num_key_value_heads: z.number().int().nullish(),
  head_dim: z.number().int().nullish(),
  max_position_embeddings: z.number().int().optional(),
  rms_norm_eps: z.number().default(1e-6),
  rope_theta: z.number().nullish(),
  rope_scaling: z.looseObject({}).nullish(),
  rope_parameters: z.looseObject({ rope_theta: z.number().optional() }).nullish(),
  hidden_act: z.string().default("silu"),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  tie_word_embeddings: z.boolean().default(false),
  sliding_window: z.number().int().nullish(),
  use_sliding_window: z.boolean().optional(),
  bos_token_id: tokenId.nullish(),
  eos_token_id: z.union([tokenId, z.array(tokenId)]).nullish(),
  pad_token_id: tokenId.nullish(),
  num_labels: z.number().int().nullish(),
  id2label: z.record(z.string(), z.unknown()).nullish(),
  quantization_config: z.unknown().optional(),
});
export type ConfigJson = z.output<typeof configJson>;

export const generationConfigJson = z.looseObject({
  bos_token_id: tokenId.nullish(),
  eos_token_id: z.union([tokenId, z.array(tokenId)]).nullish(),
  pad_token_id: tokenId.nullish(),
});

interface Layout {
  /** Before `ForCausalLM` and its like. */
  readonly className: string;
  readonly defaultContext: number;
  readonly defaultKeyValueHeads: (heads: number) => number;
  readonly biases: (config: ConfigJson) => Pick<ModelConfiguration, "attentionBias" | "outputBias" | "mlpBias">;
  /** Attention reaches back this many tokens only. */
  readonly window: (config: ConfigJson) => number | undefined;
  /** Fields of config.json that this family alone has. */
  readonly ownFields: (configuration: ModelConfiguration) => Readonly<Record<string, unknown>>;
}

/** Defaults are those of the family's configuration class in transformers. */
export const layouts: Readonly<Record<Family, Layout>> = {
  llama: {
    className: "Llama",
    defaultContext: 2048,
    defaultKeyValueHeads: (heads) => heads,
    biases: (config) => ({ attentionBias: config.attention_bias ?? false, outputBias: config.attention_bias ?? false, mlpBias: config.mlp_bias ?? false }),
    window: () => undefined,
    ownFields: ({ attentionBias, mlpBias }) => ({ attention_bias: attentionBias, mlp_bias: mlpBias }),
  },
  qwen2: {
    className: "Qwen2",
    defaultContext: 32768,
    defaultKeyValueHeads: () => 32,
    biases: () => ({ attentionBias: true, outputBias: false, mlpBias: false }),
    window: (config) => (config.use_sliding_window === true ? config.sliding_window ?? undefined : undefined),
    ownFields: () => ({ use_sliding_window: false }),
  },
  mistral: {
    className: "Mistral",
    defaultContext: 131072,
    defaultKeyValueHeads: () => 8,
    biases: () => ({ attentionBias: false, outputBias: false, mlpBias: false }),
    window: (config) => (config.sliding_window === undefined ? 4096 : config.sliding_window ?? undefined),
    ownFields: () => ({ sliding_window: null }),
  },
};

const classSuffixes: Readonly<Record<Head, string>> = {
  language: "ForCausalLM",
  score: "ForSequenceClassification",
  value: "ForTokenClassification",
};

export const architectureName = (family: Family, head: Head): string => `${layouts[family].className}${classSuffixes[head]}`;

/** Every architecture that can be read, by its name in config.json. */
export const architectures: ReadonlyMap<string, { readonly family: Family; readonly head: Head }> = new Map(
  families.flatMap((family) => heads.map((head) => [architectureName(family, head), { family, head }] as const)),
);

interface Refusal {
  readonly field: string;
  readonly found: string;
  readonly supported: string;
}

/** What in a config.json asks for arithmetic that is not implemented. */
export function refusalOf(config: ConfigJson): Refusal | undefined {
  const scaled = (["rope_scaling", "rope_parameters"] as const).find((field) => {
    const kind = config[field]?.rope_type ?? config[field]?.type ?? "default";
    return config[field] && (kind !== "default" || (config[field].partial_rotary_factor ?? 1) !== 1);
  });
  if (scaled !== undefined) return { field: scaled, found: JSON.stringify(config[scaled]), supported: "plain rotary embeddings (rope_type \"default\" over whole heads)" };
  if (config.hidden_act !== "silu") return { field: "hidden_act", found: JSON.stringify(config.hidden_act), supported: "\"silu\"" };
  if (config.quantization_config != null) return { field: "quantization_config", found: "quantized weights", supported: "weights in float32, float16 or bfloat16" };
  return undefined;
}
