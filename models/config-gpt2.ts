import { z } from "zod";
import { type ConfigLayout, refuseFields } from "./config-json.js";
import { inForm } from "./json-file.js";

/** config.json of GPT-2. Defaults are those of GPT2Config in transformers. */
const form = z.looseObject({
  n_embd: z.number().int().default(768),
  n_layer: z.number().int().default(12),
  n_head: z.number().int().default(12),
  n_positions: z.number().int().default(1024),
  n_inner: z.number().int().nullish(),
  layer_norm_epsilon: z.number().default(1e-5),
  tie_word_embeddings: z.boolean().default(true),
});

const refused = {
  activation_function: { values: ["gelu_new", "gelu_pytorch_tanh"], supported: "\"gelu_new\"" },
  scale_attn_weights: { values: [true], supported: "true" },
  scale_attn_by_inverse_layer_idx: { values: [false], supported: "false" },
  add_cross_attention: { values: [false], supported: "a decoder alone" },
} as const;

export const gpt2Layout: ConfigLayout = {
  read(json, _family, path) {
    const config = inForm(json, form, path);
    refuseFields(config, path, refused);
    const { n_embd: hidden, n_head: heads } = config;
    return {
      hidden, heads, keyValueHeads: heads, headSize: hidden / heads,
      layers: config.n_layer,
      intermediate: config.n_inner ?? 4 * hidden,
      context: config.n_positions,
      ropeTheta: 10000,
      normEpsilon: config.layer_norm_epsilon,
      tiedEmbeddings: config.tie_word_embeddings,
      attentionBias: true, outputBias: true, mlpBias: true,
    };
  },
  write: (configuration) => ({
    n_embd: configuration.hidden,
    n_inner: configuration.intermediate,
    n_layer: configuration.layers,
    n_head: configuration.heads,
    n_positions: configuration.context,
    layer_norm_epsilon: configuration.normEpsilon,
    activation_function: "gelu_new",
    initializer_range: 0.02,
    resid_pdrop: 0,
    embd_pdrop: 0,
    attn_pdrop: 0,
    tie_word_embeddings: configuration.tiedEmbeddings,
  }),
};
