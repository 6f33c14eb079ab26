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
  it.each<[string, ModelConfiguration, Head]>([
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
    ["Mistral's window shortens the context", { architectures: ["MistralForCausalLM"], max_position_embeddings: 9000 }, { context: 4096 }],
    ["Mistral without window", { architectures: ["MistralForCausalLM"], max_position_embeddings: 9000, sliding_window: null }, { context: 9000 }],
    ["Qwen2's window when unused", { architectures: ["Qwen2ForCausalLM"], max_position_embeddings: 9000, sliding_window: 100 }, { context: 9000 }],
    ["Qwen2's window when used", { architectures: ["Qwen2ForCausalLM"], max_position_embeddings: 9000, sliding_window: 100, use_sliding_window: true }, { context: 100 }],
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
    ["scaled rotary embeddings", { rope_scaling: { rope_type: "llama3", factor: 8 } }, "rope_scaling"],
    ["scaled rotary embeddings, old style", { rope_scaling: { type: "linear", factor: 2 } }, "rope_scaling"],
    ["scaled rotary embeddings, new style", { rope_parameters: { rope_theta: 1e4, rope_type: "yarn" } }, "rope_parameters"],
    ["rotary embeddings on a part of a head", { rope_parameters: { rope_theta: 1e4, partial_rotary_factor: 0.5 } }, "rope_parameters"],
    ["another activation", { hidden_act: "gelu" }, "hidden_act"],
    ["quantized weights", { quantization_config: { bits: 4 } }, "quantization_config"],
    ["another architecture", { architectures: ["GPT2LMHeadModel"] }, "architectures"],
    ["another model_type", { architectures: undefined, model_type: "gpt2" }, "model_type"],
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
