import { TruelineError } from "../foundation/errors.js";
import type { TokenizerJson } from "./tokenizer-files.js";

/** More tokens than any tokenizer has; models would have to have as many rows. */
const mostTokens = 2 ** 24;

/** One more than the largest id. */
export function sizeOf(ids: Iterable<number>): number {
  let size = 0;
  for (const id of ids) size = Math.max(size, id + 1);
  return size;
}

/**
 * The size of a tokenizer as its file has it, which is not believed: ids are row numbers, no two tokens have one, and merges
 * make tokens of the vocabulary. Else text would be lost without a word, and the library would count to the largest id.
 * @throws TL_TOKENIZER_INVALID.
 */
export function checkVocabulary(tokenizer: TokenizerJson, directory: string): number {
  const fail = (wrong: string): never => {
    throw new TruelineError("TL_TOKENIZER_INVALID", `${directory}/tokenizer.json: ${wrong}`, { hint: "Take the tokenizer from the model's source again." });
  };
  const tokens = new Map<number, string>();
  for (const [token, id] of written(tokenizer)) {
    if (!(typeof id === "number" && Number.isSafeInteger(id) && id >= 0 && id < mostTokens)) return fail(`token ${JSON.stringify(token)} has the id ${shown(id)}; ids are whole numbers from 0 to ${mostTokens - 1}`);
    const other = tokens.get(id);
    if (other !== undefined && other !== token) fail(`tokens ${JSON.stringify(other)} and ${JSON.stringify(token)} both have the id ${id}`);
    tokens.set(id, token);
  }
  const wrong = modelFault(tokenizer, new Set(tokens.values()));
  if (wrong !== undefined) fail(wrong);
  return sizeOf(tokens.keys());
}

/** Tokens and ids as tokenizer.json has them; a list (Unigram) has ids by place. */
function written({ model, added_tokens: added }: TokenizerJson): (readonly [token: string, id: unknown])[] {
  const { vocab } = model;
  const own = typeof vocab === "object" && vocab !== null && !Array.isArray(vocab) ? Object.entries(vocab) : [];
  return [...own, ...added.map(({ content, id }) => [content, id] as const)];
}

/** What is wrong with a vocabulary, or with the merges of a byte-pair encoding. Those of words with prefixes inside are left to the library. */
function modelFault({ model }: TokenizerJson, tokens: ReadonlySet<string>): string | undefined {
  if (typeof model.vocab !== "object" || model.vocab === null || Object.keys(model.vocab).length === 0) return "the vocabulary is empty";
  // The oldest files name no kind of model.
  const isBytePairs = model.type === "BPE" || (model.type === undefined && "merges" in model);
  if (!isBytePairs || model.continuing_subword_prefix) return undefined;
  if (Array.isArray(model.vocab)) return "vocab is a list; a byte-pair encoding has an object of ids";
  if (!Array.isArray(model.merges)) return "merges is no list";
  const merges: readonly unknown[] = model.merges;
  for (const merge of merges) {
    const pair: readonly unknown[] = typeof merge === "string" ? merge.split(" ") : Array.isArray(merge) ? merge : [];
    const [left, right, ...more] = pair;
    if (typeof left !== "string" || typeof right !== "string" || more.length > 0) return `the merge ${shown(merge)} is no pair of tokens`;
    const missing = [left, right, left + right].find((token) => !tokens.has(token));
    if (missing !== undefined) return `the merge ${shown(merge)} needs the token ${JSON.stringify(missing)}, which is not in the vocabulary`;
  }
  return undefined;
}

/** A wrong value in a message; what is in lists and objects would be too long. */
function shown(value: unknown): string {
  if (Array.isArray(value) && value.length <= 4 && value.every((each) => typeof each !== "object")) return JSON.stringify(value);
  return typeof value === "object" ? (Array.isArray(value) ? "[…]" : "{…}") : JSON.stringify(value);
}
