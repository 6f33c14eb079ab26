import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { writeDurably } from "../foundation/files.js";
import { readRegular } from "../foundation/regular-file.js";
import { defaultTemplate } from "./chat-template.js";
import { commonForm, tokensForm } from "./config-json.js";
import { maxTextBytes, readJson } from "./json-file.js";

const addedTokenForm = z.looseObject({
  id: z.number().int().min(0),
  content: z.string().min(1),
  special: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
});
export type AddedToken = z.output<typeof addedTokenForm>;

const tokenizerForm = z.looseObject({
  added_tokens: z.array(addedTokenForm).default([]),
  model: z.looseObject({}),
  pre_tokenizer: z.unknown().default(null),
  normalizer: z.unknown().default(null),
  post_processor: z.unknown().default(null),
  decoder: z.unknown().default(null),
});
export type TokenizerJson = z.output<typeof tokenizerForm>;

const namedToken = z.union([z.string(), z.looseObject({ content: z.string() }).transform(({ content }) => content)]).nullish();

const tokenizerConfigForm = z.looseObject({
  bos_token: namedToken,
  eos_token: namedToken,
  pad_token: namedToken,
  unk_token: namedToken,
  chat_template: z.union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))]).nullish(),
});
type TokenizerConfig = z.output<typeof tokenizerConfigForm>;

const modelTokensForm = commonForm.pick({ vocab_size: true, eos_token_id: true, pad_token_id: true }).partial();

/** What a directory says about its tokenizer. */
export interface TokenizerFiles {
  readonly directory: string;
  readonly tokenizer: TokenizerJson;
  readonly config: TokenizerConfig;
  /** Source of the chat template and the file it came from. */
  readonly template: { readonly source: string; readonly where: string; readonly isDefault: boolean };
  /** Of the model beside it, if there is one. */
  readonly model: { readonly vocabulary?: number; readonly endTokens: readonly number[]; readonly padToken?: number };
}

/** @throws TL_TOKENIZER_MISSING, TL_MODEL_CONFIGURATION naming file and field. */
export async function readTokenizerFiles(directory: string): Promise<TokenizerFiles> {
  const path = join(directory, "tokenizer.json");
  const tokenizer = await readJson(path, tokenizerForm);
  if (tokenizer === undefined) {
    throw new TruelineError("TL_TOKENIZER_MISSING", `${path} is not there`, {
      hint: "Older formats (tokenizer.model, vocab.txt) are not read: load and save the tokenizer with transformers, which writes tokenizer.json.",
    });
  }
  const config = (await readJson(join(directory, "tokenizer_config.json"), tokenizerConfigForm)) ?? {};
  const model = await readJson(join(directory, "config.json"), modelTokensForm);
  const generation = await readJson(join(directory, "generation_config.json"), tokensForm);
  const padToken = model?.pad_token_id ?? undefined;
  return {
    directory, tokenizer, config,
    template: await readTemplate(directory, config),
    model: {
      vocabulary: model?.vocab_size,
      endTokens: [generation?.eos_token_id ?? model?.eos_token_id ?? []].flat(),
      padToken: padToken !== undefined && padToken >= 0 ? padToken : undefined,
    },
  };
}

async function readTemplate(directory: string, config: TokenizerConfig): Promise<TokenizerFiles["template"]> {
  const where = join(directory, "chat_template.jinja");
  const source = await readRegular(where, maxTextBytes).catch((error: unknown) => {
    if (error instanceof TruelineError) throw error;
    return undefined;
  });
  if (source !== undefined) return { source, where, isDefault: false };
  const named = config.chat_template;
  const configPath = join(directory, "tokenizer_config.json");
  const inConfig = typeof named === "string" ? named : named?.find(({ name }) => name === "default")?.template;
  if (inConfig === undefined && typeof named !== "string" && named && named.length > 0) {
    throw new TruelineError("TL_CHAT_TEMPLATE", `${configPath}: chat_template has ${named.map(({ name }) => JSON.stringify(name)).join(", ")} and none named "default"`, {
      hint: "Name the one that dialogues are rendered with \"default\", or write it into chat_template.jinja.",
    });
  }
  return inConfig === undefined
    ? { source: defaultTemplate, where: `${directory} (default template)`, isDefault: true }
    : { source: inConfig, where: configPath, isDefault: false };
}

/** Files that the digest of a model directory counts. */
const countedFileNames = new Set(["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"]);
/** Files that only other programs read. */
const otherFileNames = new Set(["added_tokens.json", "tokenizer.model", "vocab.json", "vocab.txt", "merges.txt"]);

/**
 * Copies a tokenizer's files into another directory; those that nothing here has looked at only if they are no links. A default template is written out as chat_template.jinja, so that
 * what a model was trained with travels with it.
 */
export async function copyTokenizerFiles({ directory, template }: TokenizerFiles, target: string): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.filter((entry) => countedFileNames.has(entry.name) || (otherFileNames.has(entry.name) && entry.isFile())).map(({ name }) => name);
  for (const name of names.sort()) await writeDurably(join(target, name), [await readFile(join(directory, name))]);
  if (template.isDefault) await writeDurably(join(target, "chat_template.jinja"), template.source);
}
