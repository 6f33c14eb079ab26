import { z } from "zod";
import type { ModelConfiguration } from "./architecture.js";
import { type ConfigLayout, type Neutral, refusal, refuseFields } from "./config-json.js";
import { inForm } from "./json-file.js";
import { readRope, ropeForm, writeRope } from "./rope-json.js";

/** config.json of Llama and its relatives. */
const form = ropeForm.extend({
  hidden_size: z.number().int(),
  intermediate_size: z.number().int(),
  num_hidden_layers: z.number().int(),
  num_attention_heads: z.number().int(),
  num_key_value_heads: z.number().int().nullish(),
  head_dim: z.number().int().nullish(),
  rms_norm_eps: z.number().default(1e-6),
  hidden_act: z.string().default("silu"),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  tie_word_embeddings: z.boolean().default(false),
  sliding_window: z.number().int().nullish(),
  use_sliding_window: z.boolean().optional(),
  max_window_layers: z.number().int().default(28),
  layer_types: z.array(z.string()).nullish(),
});
type Fields = z.output<typeof form>;
type Biases = Pick<ModelConfiguration, "attentionBias" | "outputBias" | "mlpBias">;
type Window = ModelConfiguration["window"];

/** Where the relatives differ. Defaults are those of the family's configuration class in transformers. */
interface Relative {
  readonly defaultContext: number;
  /** Where num_key_value_heads is absent; null means as many as heads. */
  readonly defaultKeyValueHeads: number | undefined;
  readonly defaultHeadSize?: number;
  readonly biases: (config: Fields) => Biases;
  readonly window: (config: Fields, path: string) => Window;
  readonly refused: Readonly<Record<string, Neutral>>;
  readonly ownFields: (configuration: ModelConfiguration) => Readonly<Record<string, unknown>>;
}

const noBias: Neutral = { values: [false], supported: "layers without bias, as the family's class in transformers has them" };
const biases = (attentionBias: boolean, outputBias: boolean, mlpBias: boolean): Biases => ({ attentionBias, outputBias, mlpBias });

const llama: Relative = {
  defaultContext: 2048,
  defaultKeyValueHeads: undefined,
  biases: ({ attention_bias: attention, mlp_bias: mlp }) => biases(attention ?? false, attention ?? false, mlp ?? false),
  window: (config, path) => {
    if (config.sliding_window != null && config.use_sliding_window !== false) throw refusal(path, "sliding_window", config.sliding_window, "whole attention, as LlamaModel of transformers has it");
    return undefined;
  },
  refused: {},
  ownFields: ({ attentionBias, mlpBias }) => ({ attention_bias: attentionBias, mlp_bias: mlpBias }),
};

const qwen2: Relative = {
  defaultContext: 32768,
  defaultKeyValueHeads: 32,
  biases: () => biases(true, false, false),
  window: someLayers,
  refused: { mlp_bias: noBias },
  ownFields: ({ window, layers }) => (window === undefined ? { use_sliding_window: false } : {
    use_sliding_window: true, sliding_window: window.tokens, max_window_layers: window.layers[0],
    layer_types: Array.from({ length: layers }, (_, layer) => (window.layers.includes(layer) ? sliding : full)),
  }),
};

const relatives: Readonly<Record<string, Relative>> = {
  llama,
  qwen2,
  qwen3: {
    ...qwen2,
    defaultHeadSize: 128,
    biases: ({ attention_bias: attention }) => biases(attention ?? false, attention ?? false, false),
    ownFields: (configuration) => ({ attention_bias: configuration.attentionBias, ...qwen2.ownFields(configuration) }),
  },
  mistral: {
    ...llama,
    defaultContext: 131072,
    defaultKeyValueHeads: 8,
    biases: () => biases(false, false, false),
    window: everyLayer,
    refused: { attention_bias: noBias, mlp_bias: noBias },
    ownFields: ({ window }) => ({ sliding_window: window?.tokens ?? null }),
  },
};

const [full, sliding] = ["full_attention", "sliding_attention"];

function someLayers(config: Fields, path: string): Window {
  const { num_hidden_layers: layers, layer_types: types } = config;
  if (config.use_sliding_window !== true || config.sliding_window == null) return undefined;
  const strange = types?.find((type) => type !== full && type !== sliding);
  if (strange !== undefined) throw refusal(path, "layer_types", strange, `"${full}" and "${sliding}"`);
  if (types && types.length !== layers) throw refusal(path, "layer_types", `${types.length} layers`, `as many as num_hidden_layers, ${layers}`);
  // a number of layers that is not believed yet must not make a list
  const windowed = Array.from({ length: Math.min(layers, 2 ** 12) }, (_, layer) => layer)
    .filter((layer) => (types ? types[layer] === sliding : layer >= config.max_window_layers));
  return windowed.length === 0 ? undefined : { tokens: config.sliding_window, layers: windowed };
}

function everyLayer({ num_hidden_layers: layers, sliding_window: window, layer_types: types }: Fields, path: string): Window {
  const tokens = window === undefined ? 4096 : window;
  if (tokens === null) return undefined;
  if (types?.includes(full) === true) throw refusal(path, "layer_types", full, "the same window in all layers");
  return { tokens, layers: Array.from({ length: Math.min(layers, 2 ** 12) }, (_, layer) => layer) };
}

export const rotaryLayout: ConfigLayout = {
  read(json, family, path) {
    const config = inForm(json, form, path);
    const relative = relatives[family]!;
    refuseFields(config, path, { ...relative.refused, hidden_act: { values: ["silu", "swish"], supported: "\"silu\"" } });
    const context = config.max_position_embeddings ?? relative.defaultContext;
    const heads = config.num_attention_heads;
    const window = relative.window(config, path);
    return {
      hidden: config.hidden_size,
      layers: config.num_hidden_layers,
      heads,
      keyValueHeads: config.num_key_value_heads ?? relative.defaultKeyValueHeads ?? heads,
      headSize: config.head_dim ?? relative.defaultHeadSize ?? config.hidden_size / heads,
      intermediate: config.intermediate_size,
      context,
      ...readRope(config, context, path),
      normEpsilon: config.rms_norm_eps,
      tiedEmbeddings: config.tie_word_embeddings,
      ...relative.biases(config),
      // one that no sequence outgrows hides nothing
      window: window !== undefined && window.tokens >= context ? undefined : window,
    };
  },
  write: (configuration) => ({
    hidden_size: configuration.hidden,
    intermediate_size: configuration.intermediate,
    num_hidden_layers: configuration.layers,
    num_attention_heads: configuration.heads,
    num_key_value_heads: configuration.keyValueHeads,
    head_dim: configuration.headSize,
    max_position_embeddings: configuration.context,
    rms_norm_eps: configuration.normEpsilon,
    ...writeRope(configuration.ropeTheta, configuration.ropeScaling),
    hidden_act: "silu",
    initializer_range: 0.02,
    attention_dropout: 0,
    tie_word_embeddings: configuration.tiedEmbeddings,
    ...relatives[configuration.family]!.ownFields(configuration),
  }),
};
