import type { Tokenizer as Library } from "@huggingface/tokenizers";
import { bounded, TimeBound } from "../foundation/bounded.js";
import { TruelineError } from "../foundation/errors.js";
import { type ChatMessage, ChatTemplate } from "./chat-template.js";
import { PlainTextEncoder, type Position, libraryTokenizer } from "./plain-text.js";
import { SpecialText } from "./special-text.js";
import { type TokenizerFiles, copyTokenizerFiles, readTokenizerFiles } from "./tokenizer-files.js";
import { checkVocabulary, sizeOf } from "./vocabulary.js";

export type { ChatMessage } from "./chat-template.js";

/** A dialogue as tokens. */
export interface EncodedDialogue {
  readonly tokens: Int32Array;
  /** Ascending indices (≥ 1) of the tokens of all assistant turns, their end token included. */
  readonly targets: Int32Array;
}

/** A hundred times what encoding and decoding take. */
const leastMilliseconds = 1500;
const millisecondsEach = 0.1;

/**
 * A Hugging Face tokenizer with its chat template. Text of messages is always plain: only the template makes special
 * tokens.
 */
export class Tokenizer {
  /** One more than the largest token id. */
  readonly vocabulary: number;
  /** Tokens that end an answer: the tokenizer's EOS, then those of generation_config.json. */
  readonly endTokens: readonly number[];
  readonly beginToken: number | undefined;
  readonly padToken: number | undefined;

  private readonly library: Library;
  private readonly plain: PlainTextEncoder;
  private readonly special: SpecialText;
  private readonly specialIds: ReadonlySet<number>;
  private readonly template: ChatTemplate;

  /**
   * Reads tokenizer.json, tokenizer_config.json and the chat template; beside a model, its config.json too.
   * @throws TL_TOKENIZER_MISSING, TL_TOKENIZER_INVALID, TL_TOKENIZER_VOCABULARY (the model's vocabulary is smaller),
   * TL_CHAT_TEMPLATE, TL_MODEL_CONFIGURATION (a file that is no JSON or has a field of the wrong form).
   */
  static async load(directory: string): Promise<Tokenizer> {
    return new Tokenizer(await readTokenizerFiles(directory));
  }

  private constructor(private readonly files: TokenizerFiles) {
    const { tokenizer, config, model, directory, template } = files;
    const size = checkVocabulary(tokenizer, directory);
    this.library = libraryTokenizer(tokenizer, files);
    const { bos_token, eos_token, pad_token, unk_token } = config;
    const named = new Set([bos_token, eos_token, pad_token]);
    const special = tokenizer.added_tokens.filter((token) => token.special || named.has(token.content));
    this.plain = new PlainTextEncoder(files, special);
    this.special = new SpecialText(special);
    this.specialIds = new Set(special.map(({ id }) => id));
    this.vocabulary = Math.max(size, sizeOf(this.library.get_vocab().values()));
    if (model.vocabulary !== undefined && model.vocabulary < this.vocabulary) {
      throw new TruelineError("TL_TOKENIZER_VOCABULARY", `${directory}: the model's vocabulary is ${model.vocabulary}, the tokenizer's ${this.vocabulary}`, {
        hint: "config.json's vocab_size is at least the tokenizer's size: use the tokenizer that the model was trained with.",
      });
    }
    const end = this.idOf(eos_token);
    this.endTokens = [...new Set([...(end === undefined ? [] : [end]), ...model.endTokens])];
    this.beginToken = this.idOf(bos_token);
    this.padToken = this.idOf(pad_token) ?? model.padToken;
    this.template = new ChatTemplate(template.source, template.where, {
      bos_token: bos_token ?? "", eos_token: eos_token ?? "", pad_token: pad_token ?? "", unk_token: unk_token ?? "",
    });
  }

  private idOf(content: string | null | undefined): number | undefined {
    return content == null ? undefined : this.library.token_to_id(content);
  }

  /** Tokens of a text, nothing added. A text that spells a special token is encoded as the characters it is. */
  encode(text: string): Int32Array {
    return Int32Array.from(this.inTime(text.length, () => this.plain.encode(text, "start")));
  }

  /** Text of tokens; ids without a token (a model may have more rows) are passed over. Invalid UTF-8 becomes U+FFFD. */
  decode(tokens: Iterable<number>, { skipSpecial = false }: { readonly skipSpecial?: boolean } = {}): string {
    const ids = Array.from(tokens).filter((id) => this.library.id_to_token(id) !== undefined && !(skipSpecial && this.specialIds.has(id)));
    // the library's own default rewrites " ." to "."
    return ids.length === 0 ? "" : this.inTime(ids.length, () => this.library.decode(ids, { clean_up_tokenization_spaces: false }));
  }

  /** The text that the chat template makes of messages. @throws TL_CHAT_TEMPLATE. */
  renderChat(messages: readonly ChatMessage[], { generationPrompt }: { readonly generationPrompt: boolean }): string {
    return this.template.render(messages, generationPrompt);
  }

  /** The messages and the template's generation prompt, ready to be continued by an answer. @throws TL_CHAT_TEMPLATE. */
  encodePrompt(messages: readonly ChatMessage[]): Int32Array {
    const guarded = this.special.guard(messages);
    const text = this.template.render(guarded.messages, true);
    return Int32Array.from(this.inTime(text.length, () => this.encodeRendered(text, "start", guarded.restore)));
  }

  /**
   * A dialogue as its chat template renders it. Prompts and answers are encoded apart, so that an answer's tokens are the
   * ones that generation after `encodePrompt` could have made. What the template puts after an end token is no target;
   * where it makes no end token, all of the answer is.
   * @throws TL_CHAT_TEMPLATE, TL_CHAT_TEMPLATE_PREFIX.
   */
  encodeDialogue(messages: readonly ChatMessage[]): EncodedDialogue {
    const guarded = this.special.guard(messages);
    const parts = this.template.parts(guarded.messages);
    const length = parts.reduce((sum, { text }) => sum + text.length, 0);
    return this.inTime(length, () => this.encodeParts(parts, guarded.restore));
  }

  private encodeParts(parts: ReturnType<ChatTemplate["parts"]>, restore: (text: string) => string): EncodedDialogue {
    const tokens: number[] = [];
    const targets: number[] = [];
    for (const { text, answer } of parts) {
      const last = tokens.at(-1);
      const position = last === undefined ? "start" : this.specialIds.has(last) ? "afterSpecial" : "within";
      const ids = this.encodeRendered(text, position, restore);
      if (answer) {
        const end = ids.findIndex((id) => this.endTokens.includes(id));
        const length = end < 0 ? ids.length : end + 1;
        for (let index = 0; index < length; index++) if (tokens.length + index >= 1) targets.push(tokens.length + index);
      }
      for (const id of ids) tokens.push(id);
    }
    return { tokens: Int32Array.from(tokens), targets: Int32Array.from(targets) };
  }

  /** Writes the tokenizer's files into another directory, each durably; a default chat template is written out. */
  async copyTo(directory: string): Promise<void> {
    await copyTokenizerFiles(this.files, directory);
  }

  /** A pattern in tokenizer.json may backtrack for ever; the work on a text of `length` characters or tokens may not. */
  private inTime<T>(length: number, work: () => T): T {
    try {
      return bounded(leastMilliseconds + length * millisecondsEach, work);
    } catch (error) {
      if (!(error instanceof TimeBound)) throw error;
      throw new TruelineError("TL_TOKENIZER_INVALID", `${this.files.directory}/tokenizer.json: ${length} characters or tokens: ${error.message}`, {
        hint: "A pattern in it backtracks without end: take the tokenizer from the model's source again.", cause: error,
      });
    }
  }

  private encodeRendered(text: string, start: Position, restore: (text: string) => string): readonly number[] {
    let position = start;
    return this.special.segments(text).flatMap((segment) => {
      if ("special" in segment) {
        position = "afterSpecial";
        return [segment.special];
      }
      const ids = this.plain.encode(restore(segment.text), position);
      position = "within";
      return [...ids];
    });
  }
}
