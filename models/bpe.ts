import { join } from "node:path";
import { Breath } from "../foundation/breath.js";
import { TruelineError } from "../foundation/errors.js";
import { writeDurably } from "../foundation/files.js";
import { byteAlphabet, gpt2Words, toByteAlphabet } from "./byte-level.js";
import { rolesTemplate } from "./chat-template.js";
import { learnMerges } from "./merges.js";

/** Special tokens of a trained tokenizer, in the order of their ids from 0. PAD is not EOS. */
export const specialTokens = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"] as const;

/** A tokenizer without merges: every byte is a token. */
export const smallestVocabulary = specialTokens.length + byteAlphabet.length;

export interface TrainedBytePairs {
  /** Tokens by id: special tokens, the 256 bytes, and what merges make. */
  readonly tokens: readonly string[];
  /** Pairs of tokens in order of rank. */
  readonly merges: readonly (readonly [string, string])[];
  readonly isolateHan: boolean;
}

export interface BytePairOptions {
  /** Tokens in all; 261 means no merges. Fewer come out when the texts have no more pairs that occur twice. */
  readonly vocabulary: number;
  /** Sets each Han character apart before merging, so that merges make characters, never words of them. */
  readonly isolateHan: boolean;
  readonly onProgress?: (tokens: number, of: number) => void;
}

const han = "\\p{Han}";

const wordPattern = new RegExp(
  gpt2Words.replaceAll("\\s", "\\p{White_Space}").replaceAll("\\S", "\\P{White_Space}"), "gu",
);
const hanPattern = /(\p{Script=Han})/u;

/**
 * Learns a byte-level byte-pair encoding (GPT-2's byte alphabet and pre-tokenizer). The same texts in any order give the
 * same result. Timers keep ticking meanwhile. @throws TL_TOKENIZER_INVALID when the vocabulary has no room for the bytes.
 */
export async function trainBytePairs(texts: Iterable<string>, { vocabulary, isolateHan, onProgress }: BytePairOptions): Promise<TrainedBytePairs> {
  if (!Number.isSafeInteger(vocabulary) || vocabulary < smallestVocabulary) {
    throw new TruelineError("TL_TOKENIZER_INVALID", `a vocabulary of ${vocabulary} can't be trained`, {
      hint: `${specialTokens.length} special tokens and ${byteAlphabet.length} bytes take ${smallestVocabulary}; that size has no merges.`,
    });
  }
  const breath = new Breath();
  const words = new Map<string, number>();
  for (const text of texts) {
    for (const piece of isolateHan ? text.split(hanPattern) : [text]) {
      for (const word of piece.match(wordPattern) ?? []) words.set(word, (words.get(word) ?? 0) + 1);
      if (breath.due()) await breath.take();
    }
  }
  const spelled = new Map<string, number>();
  for (const [word, count] of words) {
    spelled.set(toByteAlphabet(word), count);
    if (breath.due()) await breath.take();
  }
  const special = specialTokens.length;
  const learnt = await learnMerges(spelled, byteAlphabet, vocabulary - special, (tokens) => onProgress?.(tokens + special, vocabulary));
  return {
    tokens: [...specialTokens, ...learnt.tokens],
    merges: learnt.merges.map(([left, right]) => [learnt.tokens[left]!, learnt.tokens[right]!] as const),
    isolateHan,
  };
}

/** Writes tokenizer.json, tokenizer_config.json and special_tokens_map.json as transformers has them. */
export async function writeTokenizer(directory: string, trained: TrainedBytePairs): Promise<void> {
  const [pad, end, ...roles] = specialTokens;
  const named = { eos_token: end, pad_token: pad };
  const files = {
    "tokenizer.json": tokenizerJson(trained),
    "tokenizer_config.json": {
      tokenizer_class: "PreTrainedTokenizerFast",
      ...named,
      additional_special_tokens: roles,
      added_tokens_decoder: Object.fromEntries(addedTokens.map(({ id, ...token }) => [id, token])),
      clean_up_tokenization_spaces: false,
      model_input_names: ["input_ids", "attention_mask"],
      model_max_length: 1e30,
      chat_template: rolesTemplate,
    },
    "special_tokens_map.json": { ...named, additional_special_tokens: roles },
  };
  for (const [name, content] of Object.entries(files)) await writeDurably(join(directory, name), `${JSON.stringify(content, undefined, 2)}\n`);
}

const addedTokens = specialTokens.map((content, id) => (
  { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
));

function tokenizerJson({ tokens, merges, isolateHan }: TrainedBytePairs): object {
  const split = (pattern: string) => ({ type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false });
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens,
    normalizer: null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [...(isolateHan ? [split(han)] : []), split(gpt2Words), byteLevel] },
    post_processor: null,
    decoder: { ...byteLevel, use_regex: true },
    model: {
      type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null,
      fuse_unk: false, byte_fallback: false, ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
}
