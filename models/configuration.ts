import { join } from "node:path";
import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { writeDurably } from "../foundation/files.js";
import { readRegular } from "../foundation/regular-file.js";
import { type ConfigJson, architectureName, architectures, configJson, generationConfigJson, layouts, refusalOf } from "./config-json.js";
import { type Family, type Head, type ModelConfiguration, checkConfiguration, families } from "./architecture.js";

export { type Family, type Head, type ModelConfiguration, checkConfiguration, families, heads } from "./architecture.js";

/** What a directory's config.json says. */
export interface ModelDescription {
  readonly configuration: ModelConfiguration;
  /** The head that the directory's weights were written for. */
  readonly head: Head;
}

/**
 * Reads config.json, and generation_config.json where there is one: its token ids go before config.json's, as in
 * transformers. A sliding attention window shortens the context to the window, inside which attention is whole.
 * @throws TL_MODEL_MISSING, TL_MODEL_CONFIGURATION, TL_MODEL_UNSUPPORTED, all naming file and field.
 */
export async function describeModel(directory: string): Promise<ModelDescription> {
  const path = join(directory, "config.json");
  const config = await readJson(path, configJson);
  if (config === undefined) {
    throw new TruelineError("TL_MODEL_MISSING", `${path} is not there`, { hint: "A model directory has config.json, model.safetensors and the tokenizer's files." });
  }
  const { family, head } = architectureOf(config, path);
  const refusal = refusalOf(config);
  if (refusal !== undefined) {
    throw new TruelineError("TL_MODEL_UNSUPPORTED", `${path}: ${refusal.field} asks for ${refusal.found}`, { hint: `Supported: ${refusal.supported}.` });
  }
  const labels = config.num_labels ?? (config.id2label ? Object.keys(config.id2label).length : 2);
  if (head !== "language" && labels !== 1) {
    throw new TruelineError("TL_MODEL_UNSUPPORTED", `${path}: num_labels is ${labels}`, { hint: "Reward and value models have one label." });
  }
  const generation = await readJson(join(directory, "generation_config.json"), generationConfigJson);
  const configuration = configurationFrom(config, family, {
    bos_token_id: generation?.bos_token_id ?? config.bos_token_id,
    eos_token_id: generation?.eos_token_id ?? config.eos_token_id,
    pad_token_id: generation?.pad_token_id ?? config.pad_token_id,
  });
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

function architectureOf(config: ConfigJson, path: string): { readonly family: Family; readonly head: Head } {
  const name = config.architectures?.[0];
  const family = families.find((candidate) => candidate === config.model_type);
  const found = name === undefined ? family && { family, head: "language" as const } : architectures.get(name);
  if (found === undefined) {
    const field = name === undefined ? `model_type is ${JSON.stringify(config.model_type)}` : `architectures is ${JSON.stringify(name)}`;
    throw new TruelineError("TL_MODEL_UNSUPPORTED", `${path}: ${field}`, { hint: `Supported: ${[...architectures.keys()].join(", ")}.` });
  }
  return found;
}

type TokenFields = Pick<ConfigJson, "bos_token_id" | "eos_token_id" | "pad_token_id">;

function configurationFrom(config: ConfigJson, family: Family, tokens: TokenFields): ModelConfiguration {
  const layout = layouts[family];
  const context = config.max_position_embeddings ?? layout.defaultContext;
  return {
    family,
    vocabulary: config.vocab_size,
    hidden: config.hidden_size,
    layers: config.num_hidden_layers,
    heads: config.num_attention_heads,
    keyValueHeads: config.num_key_value_heads ?? layout.defaultKeyValueHeads(config.num_attention_heads),
    headSize: config.head_dim ?? config.hidden_size / config.num_attention_heads,
    intermediate: config.intermediate_size,
    context: Math.min(context, layout.window(config) ?? context),
    ropeTheta: config.rope_parameters?.rope_theta ?? config.rope_theta ?? 10000,
    normEpsilon: config.rms_norm_eps,
    tiedEmbeddings: config.tie_word_embeddings,
    ...layout.biases(config),
    beginToken: tokens.bos_token_id ?? undefined,
    endTokens: tokens.eos_token_id == null ? [] : [tokens.eos_token_id].flat(),
    // some published files say -1 for "none"
    padToken: tokens.pad_token_id == null || tokens.pad_token_id < 0 ? undefined : tokens.pad_token_id,
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
    hidden_size: configuration.hidden,
    intermediate_size: configuration.intermediate,
    num_hidden_layers: configuration.layers,
    num_attention_heads: configuration.heads,
    num_key_value_heads: configuration.keyValueHeads,
    head_dim: configuration.headSize,
    max_position_embeddings: configuration.context,
    rms_norm_eps: configuration.normEpsilon,
    rope_theta: configuration.ropeTheta,
    hidden_act: "silu",
    initializer_range: 0.02,
    attention_dropout: 0,
    tie_word_embeddings: configuration.tiedEmbeddings,
    ...layouts[configuration.family].ownFields(configuration),
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

/** Largest text file of a model directory that is read; a tokenizer.json of 250,000 tokens has some 30 MB. */
export const maxTextBytes = 2 ** 28;

/** Far deeper than any file of a model is nested, and far from where recursion over it ends. */
const mostLevels = 1000;

function isDeeperThan(most: number, value: unknown): boolean {
  let level = [value];
  for (let depth = 0; depth <= most && level.length > 0; depth++) {
    level = level.flatMap((each): unknown[] => (typeof each === "object" && each !== null ? Object.values(each) : []));
  }
  return level.length > 0;
}

/** A JSON file in a given form; undefined when it is not there. */
export async function readJson<Form extends z.ZodType>(path: string, form: Form): Promise<z.output<Form> | undefined> {
  let text: string;
  try {
    text = await readRegular(path, maxTextBytes);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TruelineError("TL_MODEL_CONFIGURATION", `${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  if (isDeeperThan(mostLevels, value)) {
    throw new TruelineError("TL_MODEL_CONFIGURATION", `${path}: lists and objects in it are nested more than ${mostLevels} deep`, { hint: "Take the file from the model's source again." });
  }
  const parsed = form.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new TruelineError("TL_MODEL_CONFIGURATION", `${path}: ${issue.path.join(".") || "the document"}: ${issue.message}`, { hint: "Take the file from the model's source again." });
}
