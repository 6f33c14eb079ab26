import { join } from "node:path";
import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { writeDurably } from "../foundation/files.js";
import { type Head, type ModelConfiguration, checkConfiguration } from "./architecture.js";
import { gpt2Layout } from "./config-gpt2.js";
import { type ConfigLayout, type TokenFields, architectureName, architectures, commonForm, familyNames, refusal, tokensForm } from "./config-json.js";
import { rotaryLayout } from "./config-rotary.js";
import type { FamilyName } from "./families.js";
import { inForm, readJson } from "./json-file.js";

export { type Head, type ModelConfiguration, checkConfiguration, heads } from "./architecture.js";

const layouts: Readonly<Record<FamilyName, ConfigLayout>> = {
  llama: rotaryLayout, qwen2: rotaryLayout, qwen3: rotaryLayout, mistral: rotaryLayout, gpt2: gpt2Layout,
};

/** What a directory's config.json says. */
export interface ModelDescription {
  readonly configuration: ModelConfiguration;
  /** The head that the directory's weights were written for. */
  readonly head: Head;
}

/**
 * Reads config.json, and generation_config.json where there is one: its token ids go before config.json's, as in
 * transformers.
 * @throws TL_MODEL_MISSING, TL_MODEL_CONFIGURATION, TL_MODEL_UNSUPPORTED, all naming file and field.
 */
export async function describeModel(directory: string): Promise<ModelDescription> {
  const path = join(directory, "config.json");
  const json = await readJson(path, z.looseObject({}));
  if (json === undefined) {
    throw new TruelineError("TL_MODEL_MISSING", `${path} is not there`, { hint: "A model directory has config.json, model.safetensors and the tokenizer's files." });
  }
  const { family, head } = architectureOf(json, path);
  const config = inForm(json, commonForm, path);
  if (config.quantization_config != null) throw refusal(path, "quantization_config", "quantized weights", "weights in float32, float16 or bfloat16");
  const own = layouts[family].read(json, family, path);
  const labels = config.num_labels ?? (config.id2label ? Object.keys(config.id2label).length : 2);
  if (head !== "language" && labels !== 1) {
    throw new TruelineError("TL_MODEL_UNSUPPORTED", `${path}: num_labels is ${labels}`, { hint: "Reward and value models have one label." });
  }
  const configuration = { family, vocabulary: config.vocab_size, ...own, ...await tokensOf(directory, config) };
  return { configuration: checkConfiguration(configuration, path), head };
}

export async function readConfiguration(directory: string): Promise<ModelConfiguration> {
  return (await describeModel(directory)).configuration;
}

/** Writes config.json for float32 weights under the given head. @throws TL_MODEL_CONFIGURATION. */
export async function writeConfiguration(directory: string, configuration: ModelConfiguration, head: Head): Promise<void> {
  const path = join(directory, "config.json");
  await writeDurably(path, formatJson(configFor(checkConfiguration(configuration, path), head)));
}

/** Writes generation_config.json, from which `generate` of transformers knows where to end. */
export async function writeGenerationConfiguration(directory: string, configuration: ModelConfiguration): Promise<void> {
  await writeDurably(join(directory, "generation_config.json"), formatJson(tokenFields(configuration)));
}

const formatJson = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;

const namesForm = commonForm.pick({ architectures: true, model_type: true });

function architectureOf(json: unknown, path: string): { readonly family: FamilyName; readonly head: Head } {
  const config = inForm(json, namesForm, path);
  const name = config.architectures?.[0];
  const family = familyNames.find((candidate) => candidate === config.model_type);
  const found = name === undefined ? family && { family, head: "language" as const } : architectures.get(name);
  if (found === undefined) {
    const field = name === undefined ? `model_type is ${JSON.stringify(config.model_type)}` : `architectures is ${JSON.stringify(name)}`;
    throw new TruelineError("TL_MODEL_UNSUPPORTED", `${path}: ${field}`, {
      hint: `The embedded backend computes ${[...architectures.keys()].join(", ")}. Stages with "resources": {"backend": "torch"} load what transformers loads.`,
    });
  }
  return found;
}

/** Token ids of generation_config.json, where it has them, else of config.json. */
export async function tokensOf(directory: string, config: TokenFields): Promise<Pick<ModelConfiguration, "beginToken" | "endTokens" | "padToken">> {
  const generation = await readJson(join(directory, "generation_config.json"), tokensForm);
  const end = generation?.eos_token_id ?? config.eos_token_id;
  const pad = generation?.pad_token_id ?? config.pad_token_id;
  return {
    beginToken: generation?.bos_token_id ?? config.bos_token_id ?? undefined,
    endTokens: end == null ? [] : [end].flat(),
    // some published files say -1 for "none"
    padToken: pad == null || pad < 0 ? undefined : pad,
  };
}

const labelFields = { num_labels: 1, id2label: { 0: "LABEL_0" }, label2id: { LABEL_0: 0 } };
const headFields: Readonly<Record<Head, object>> = {
  language: {},
  score: labelFields,
  value: { ...labelFields, classifier_dropout: 0 },
};

function configFor(configuration: ModelConfiguration, head: Head): object {
  return {
    architectures: [architectureName(configuration.family, head)],
    model_type: configuration.family,
    vocab_size: configuration.vocabulary,
    ...layouts[configuration.family].write(configuration),
    ...tokenFields(configuration),
    ...headFields[head],
    use_cache: true,
    torch_dtype: "float32",
  };
}

function tokenFields({ beginToken, endTokens, padToken }: ModelConfiguration): Required<TokenFields> {
  return {
    bos_token_id: beginToken ?? null,
    eos_token_id: endTokens.length > 1 ? [...endTokens] : endTokens[0] ?? null,
    pad_token_id: padToken ?? null,
  };
}
