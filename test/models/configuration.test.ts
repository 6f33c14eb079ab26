import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Head, type ModelConfiguration, checkConfiguration, describeModel, readConfiguration, writeConfiguration } from "../../models/configuration.js";
import { temporaryDirectory, tiny } from "./support.js";

const plain = {
  architectures: ["LlamaForCausalLM"], model_type: "llama", vocab_size: 100, hidden_size: 16, intermediate_size: 24,
  num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2,
};

async function directoryWith(config: object | string, generation?: object): Promise<string> {
  const directory = await temporaryDirectory();
  await writeFile(join(directory, "config.json"), typeof config === "string" ? config : JSON.stringify(config));
  if (generation !== undefined) await writeFile(join(directory, "generation_config.json"), JSON.stringify(generation));
  return directory;
}

const read = async (config: object | string, generation?: object) => readConfiguration(await directoryWith(config, generation));

describe("a written configuration", () => {
  const qwen2 = { ...tiny, family: "qwen2", attentionBias: true, tiedEmbeddings: true, endTokens: [1, 7], beginToken: 3 } as const;
  const mistral = { ...tiny, family: "mistral", padToken: undefined, endTokens: [] } as const;
  const biased = { ...tiny, attentionBias: true, outputBias: true, mlpBias: true, ropeTheta: 5e5 };
  const qwen3 = { ...qwen2, family: "qwen3", attentionBias: false, headSize: 8, window: { tokens: 8, layers: [1] } } as const;
  const gpt2 = { ...tiny, family: "gpt2", keyValueHeads: 3, headSize: 4, attentionBias: true, outputBias: true, mlpBias: true, tiedEmbeddings: true } as const;
  const llama3 = { ...tiny, ropeScaling: { kind: "llama3", factor: 8, lowFrequency: 1, highFrequency: 4, originalContext: 32 } } as const;
  const yarn = { ...tiny, ropeScaling: { kind: "yarn", factor: 4, originalContext: 16, betaFast: 32, betaSlow: 1, truncate: false, attentionFactor: 1.2 } } as const;
  it.each<[string, ModelConfiguration, Head]>([
    ["Qwen3ForCausalLM", qwen3, "language"], ["Qwen3ForTokenClassification", qwen3, "value"],
    ["GPT2LMHeadModel", gpt2, "language"], ["GPT2ForSequenceClassification", gpt2, "score"], ["GPT2ForTokenClassification", gpt2, "value"],
    ["LlamaForCausalLM", llama3, "language"], ["LlamaForCausalLM", yarn, "language"],
    ["LlamaForCausalLM", { ...tiny, ropeScaling: { kind: "dynamic", factor: 2 } }, "language"],
    ["MistralForCausalLM", { ...mistral, window: { tokens: 8, layers: [0, 1] } }, "language"],
    ["LlamaForCausalLM", tiny, "language"], ["LlamaForCausalLM", biased, "language"],
    ["LlamaForSequenceClassification", tiny, "score"], ["Qwen2ForTokenClassification", qwen2, "value"],
    ["MistralForCausalLM", mistral, "language"],
  ])("%s is read back as it was", async (name, configuration, head) => {
    const directory = await temporaryDirectory();
    await writeConfiguration(directory, configuration, head);
    expect(await describeModel(directory)).toEqual({ configuration, head });
    expect(await readFile(join(directory, "config.json"), "utf8")).toContain(name);
  });
});

describe("fields of config.json", () => {
  it("may be absent where transformers has a default", async () => {
    expect(await read(plain)).toEqual({
      family: "llama", vocabulary: 100, hidden: 16, layers: 2, heads: 4, keyValueHeads: 2, headSize: 4, intermediate: 24, context: 2048,
      ropeTheta: 10000, normEpsilon: 1e-6, tiedEmbeddings: false, attentionBias: false, outputBias: false, mlpBias: false,
      beginToken: undefined, endTokens: [], padToken: undefined,
    });
  });

  it.each<[string, object, Partial<ModelConfiguration>]>([
    ["rope_theta as before transformers 5", { rope_theta: 5000 }, { ropeTheta: 5000 }],
    ["rope_theta as since", { rope_parameters: { rope_theta: 6000, rope_type: "default" } }, { ropeTheta: 6000 }],
    ["rope_scaling of the default kind", { rope_scaling: { rope_type: "default" } }, {}],
    ["rope_scaling null", { rope_scaling: null }, {}],
    ["head_dim", { head_dim: 10 }, { headSize: 10 }],
    ["head_dim null", { head_dim: null }, { headSize: 4 }],
    ["attention_bias of Llama: also on the output", { attention_bias: true }, { attentionBias: true, outputBias: true }],
    ["biases of Qwen2: never on the output", { architectures: ["Qwen2ForCausalLM"], attention_bias: true }, { attentionBias: true, outputBias: false }],
    ["mlp_bias", { mlp_bias: true }, { mlpBias: true }],
    ["tie_word_embeddings", { tie_word_embeddings: true }, { tiedEmbeddings: true }],
    ["heads without num_key_value_heads", { num_key_value_heads: null }, { keyValueHeads: 4 }],
    ["one end token", { eos_token_id: 2 }, { endTokens: [2] }],
    ["several end tokens", { eos_token_id: [2, 3] }, { endTokens: [2, 3] }],
    ["a padding token of -1", { pad_token_id: -1 }, { padToken: undefined }],
    ["no architectures, but a model_type", { architectures: undefined }, { family: "llama" }],
    ["Mistral's window, which its class in transformers has by default", { architectures: ["MistralForCausalLM"], max_position_embeddings: 9000 }, { context: 9000, window: { tokens: 4096, layers: [0, 1] } }],
    ["a window that no sequence outgrows", { architectures: ["MistralForCausalLM"], max_position_embeddings: 4096 }, { context: 4096, window: undefined }],
    ["Mistral without window", { architectures: ["MistralForCausalLM"], max_position_embeddings: 9000, sliding_window: null }, { context: 9000, window: undefined }],
    ["Qwen2's window when unused", { architectures: ["Qwen2ForCausalLM"], max_position_embeddings: 9000, sliding_window: 100 }, { window: undefined }],
    ["Qwen2's window when used", { architectures: ["Qwen2ForCausalLM"], max_position_embeddings: 9000, sliding_window: 100, use_sliding_window: true, max_window_layers: 1 }, { context: 9000, window: { tokens: 100, layers: [1] } }],
    ["Qwen3's window by layer_types", { architectures: ["Qwen3ForCausalLM"], max_position_embeddings: 9000, sliding_window: 100, use_sliding_window: true, layer_types: ["sliding_attention", "full_attention"] }, { window: { tokens: 100, layers: [0] } }],
    ["Qwen3's head size, which does not follow from its width", { architectures: ["Qwen3ForCausalLM"] }, { headSize: 128 }],
    ["rope_scaling of Llama 3", { rope_theta: 5e5, rope_scaling: { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 512 } }, { ropeTheta: 5e5, ropeScaling: { kind: "llama3", factor: 8, lowFrequency: 1, highFrequency: 4, originalContext: 512 } }],
    ["rope_scaling, old style", { rope_scaling: { type: "linear", factor: 2 } }, { ropeScaling: { kind: "linear", factor: 2 } }],
    ["rope_parameters of yarn, with what transformers infers", { rope_parameters: { rope_theta: 1e4, rope_type: "yarn", factor: 4, original_max_position_embeddings: 512 } }, { ropeScaling: { kind: "yarn", factor: 4, originalContext: 512, betaFast: 32, betaSlow: 1, truncate: true, attentionFactor: 0.1 * Math.log(4) + 1 } }],
  ])("%s", async (_, fields, expected) => {
    expect(await read({ ...plain, ...fields })).toMatchObject(expected);
  });

  it("generation_config.json's tokens go first", async () => {
    const generation = { eos_token_id: [2, 9], pad_token_id: 5 };
    expect(await read({ ...plain, eos_token_id: 2, bos_token_id: 1 }, generation)).toMatchObject({ endTokens: [2, 9], padToken: 5, beginToken: 1 });
  });
});

describe("what is refused", () => {
  it.each([
    ["rotary embeddings that depend on the length", { rope_scaling: { rope_type: "longrope", short_factor: 1, long_factor: 2 } }, "rope_scaling"],
    ["rotary embeddings in several dimensions", { rope_scaling: { type: "mrope", mrope_section: 1 } }, "rope_scaling"],
    ["rotary embeddings by layer", { rope_parameters: { full_attention: { rope_type: "default" } } }, "rope_parameters"],
    ["rotary embeddings on a part of a head, said beside", { partial_rotary_factor: 0.5 }, "partial_rotary_factor"],
    ["capped attention", { attn_logit_softcapping: 50 }, "attn_logit_softcapping"],
    ["capped logits", { final_logit_softcapping: 30 }, "final_logit_softcapping"],
    ["experts", { num_local_experts: 8 }, "num_local_experts"],
    ["a window that Llama does not have", { sliding_window: 64 }, "sliding_window"],
    ["biases that Mistral does not have", { architectures: ["MistralForCausalLM"], attention_bias: true }, "attention_bias"],
    ["layers of another kind", { architectures: ["Qwen2ForCausalLM"], use_sliding_window: true, sliding_window: 8, layer_types: ["full_attention", "chunked_attention"] }, "layer_types"],
    ["GPT-2 with another activation", { architectures: ["GPT2LMHeadModel"], activation_function: "relu" }, "activation_function"],
    ["GPT-2 that scales by layer", { architectures: ["GPT2LMHeadModel"], scale_attn_by_inverse_layer_idx: true }, "scale_attn_by_inverse_layer_idx"],
    ["GPT-2 that does not scale", { architectures: ["GPT2LMHeadModel"], scale_attn_weights: false }, "scale_attn_weights"],
    ["rotary embeddings on a part of a head", { rope_parameters: { rope_theta: 1e4, partial_rotary_factor: 0.5 } }, "rope_parameters"],
    ["another activation", { hidden_act: "gelu" }, "hidden_act"],
    ["quantized weights", { quantization_config: { bits: 4 } }, "quantization_config"],
    ["another architecture", { architectures: ["Gemma2ForCausalLM"] }, "architectures"],
    ["another model_type", { architectures: undefined, model_type: "gemma2" }, "model_type"],
    ["a reward model of two labels", { architectures: ["LlamaForSequenceClassification"], num_labels: 2 }, "num_labels"],
    ["a reward model of transformers' default labels", { architectures: ["LlamaForSequenceClassification"] }, "num_labels"],
  ])("%s, by name", async (_, fields, field) => {
    const directory = await directoryWith({ ...plain, ...fields });
    await expect(describeModel(directory)).rejects.toMatchObject({
      code: "TL_MODEL_UNSUPPORTED", message: expect.stringMatching(new RegExp(`${join(directory, "config.json")}: ${field} `)),
    });
  });

  it.each([
    ["a field of another type", { hidden_size: "16" }, "hidden_size"],
    ["a missing field", { vocab_size: undefined }, "vocab_size"],
    ["no layer", { num_hidden_layers: 0 }, "layers"],
    ["heads that key-value heads don't divide", { num_key_value_heads: 3 }, "keyValueHeads"],
    ["an odd head size", { head_dim: 5 }, "headSize"],
    ["heads that don't divide the width", { hidden_size: 18 }, "headSize"],
    ["an end token beyond the vocabulary", { eos_token_id: 100 }, "endTokens"],
    ["a scaling without what it needs", { rope_scaling: { rope_type: "llama3", factor: 8 } }, "rope_scaling: low_freq_factor"],
    ["a scaling that shrinks", { rope_scaling: { rope_type: "linear", factor: 0.5 } }, "ropeScaling.factor"],
    ["a window of 0", { architectures: ["MistralForCausalLM"], sliding_window: 0 }, "window.tokens"],
    ["GPT-2 whose heads don't divide its width", { architectures: ["GPT2LMHeadModel"], n_embd: 10, n_head: 4, n_layer: 1 }, "headSize"],
    ["a norm epsilon of 0", { rms_norm_eps: 0 }, "normEpsilon"],
  ])("%s", async (_, fields, field) => {
    const directory = await directoryWith({ ...plain, ...fields });
    await expect(describeModel(directory)).rejects.toMatchObject({ code: "TL_MODEL_CONFIGURATION", message: expect.stringMatching(new RegExp(`config\\.json: ${field}`)) });
  });

  it("a file that is no JSON", async () => {
    await expect(read("{")).rejects.toMatchObject({ code: "TL_MODEL_CONFIGURATION", message: expect.stringContaining("is not JSON") });
  });

  it("a directory without config.json", async () => {
    await expect(readConfiguration(await temporaryDirectory())).rejects.toMatchObject({ code: "TL_MODEL_MISSING" });
  });

  it("biases that a family's layout has no room for", () => {
    expect(() => checkConfiguration({ ...tiny, attentionBias: true }, "model x")).toThrow("model x: family llama has no layout");
    expect(() => checkConfiguration({ ...tiny, family: "qwen2" }, "model x")).toThrow("model x: family qwen2");
  });
});
