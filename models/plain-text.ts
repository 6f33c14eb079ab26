import { Tokenizer as Library } from "@huggingface/tokenizers";
import { bounded } from "../foundation/bounded.js";
import { TruelineError } from "../foundation/errors.js";
import { gpt2Words } from "./byte-level.js";
import type { AddedToken, TokenizerFiles } from "./tokenizer-files.js";

/** Where a piece of text stands: tokenizers that put a space before the first word ask. */
export type Position = "start" | "afterSpecial" | "within";

/** Encodes text in which nothing is special: a text that spells a special token becomes ordinary tokens. */
export class PlainTextEncoder {
  private readonly encoders: Readonly<Record<Position, Library>>;
  private readonly forbidden: ReadonlySet<number>;

  constructor(private readonly files: TokenizerFiles, private readonly special: readonly AddedToken[]) {
    const unknown = files.config.unk_token;
    this.forbidden = new Set(special.filter(({ content }) => content !== unknown).map(({ id }) => id));
    const specialIds = new Set(special.map(({ id }) => id));
    const ordinary = { ...files.tokenizer, added_tokens: files.tokenizer.added_tokens.filter(({ id }) => !specialIds.has(id)) };
    const start = libraryTokenizer(ordinary, files);
    const changed = (position: "afterSpecial" | "within") => {
      const rewritten = rewrite(ordinary, (node) => spaceRules[position](node));
      return JSON.stringify(rewritten) === JSON.stringify(ordinary) ? start : libraryTokenizer(rewritten, files);
    };
    this.encoders = { start, afterSpecial: changed("afterSpecial"), within: changed("within") };
  }

  /** Token ids. @throws TL_TOKENIZER_INVALID when the vocabulary has no token, not even an unknown one, for the text. */
  encode(text: string, position: Position): readonly number[] {
    if (text === "") return [];
    const ids: readonly (number | undefined)[] = this.encoders[position].encode(text, { add_special_tokens: false }).ids;
    const known = ids.filter((id) => id !== undefined);
    if (known.length < ids.length) throw this.fault(`has no token for a part of ${JSON.stringify(text.slice(0, 40))}`);
    return known.some((id) => this.forbidden.has(id)) ? this.encodeApart(text, position) : known;
  }

  /** Some vocabularies (Unigram) hold special tokens among the ordinary ones: cut the text inside each. */
  private encodeApart(text: string, position: Position): readonly number[] {
    const places = this.special.map(({ content }) => text.indexOf(content)).filter((place) => place >= 0);
    const cut = Math.min(...places) + 1;
    if (!(cut < text.length)) throw this.fault(`makes a special token of ${JSON.stringify(text.slice(0, 40))}`);
    return [...this.encode(text.slice(0, cut), position), ...this.encode(text.slice(cut), "within")];
  }

  private fault(wrong: string): TruelineError {
    return new TruelineError("TL_TOKENIZER_INVALID", `${this.files.directory}/tokenizer.json ${wrong}`, { hint: "Use a tokenizer with byte-level tokens or an unknown token." });
  }
}

/** The largest tokenizers in use are built in two seconds. */
const buildMilliseconds = 30_000;

/** The library's tokenizer over a tokenizer.json. @throws TL_TOKENIZER_INVALID. */
export function libraryTokenizer(tokenizer: object, { directory, config }: TokenizerFiles): Library {
  try {
    return bounded(buildMilliseconds, () => new Library(rewrite(tokenizer, exactWhiteSpace), config));
  } catch (error) {
    throw new TruelineError("TL_TOKENIZER_INVALID", `${directory}/tokenizer.json: ${error instanceof Error ? error.message : String(error)}`, {
      hint: "It has a form that is not supported.", cause: error,
    });
  }
}

type Node = Readonly<Record<string, unknown>>;
type Rule = (node: Node) => Node;

const spaceRules: Readonly<Record<"afterSpecial" | "within", Rule>> = {
  afterSpecial: (node) => (node.type === "Metaspace" && node.prepend_scheme === "first" ? { ...node, prepend_scheme: "never" } : node),
  within: (node) => {
    if (node.type === "Metaspace") return { ...node, prepend_scheme: "never" };
    if (node.type === "Prepend") return { ...node, prepend: "" };
    return node.type === "ByteLevel" ? { ...node, add_prefix_space: false } : node;
  },
};

const gpt2Split = { type: "Split", pattern: { Regex: gpt2Words }, behavior: "Isolated", invert: false };

/**
 * The library's own pattern of ByteLevel takes white space as JavaScript does (U+FEFF in, U+0085 out); the same pattern
 * as a Split is taken as in Rust.
 */
const exactWhiteSpace: Rule = (node) => (
  node.type === "ByteLevel" && node.use_regex !== false && node.add_prefix_space === false
    ? { type: "Sequence", pretokenizers: [gpt2Split, { ...node, use_regex: false }] }
    : node
);

/** Applies a rule to the normalizer and the pre-tokenizer, and to what they are made of. */
function rewrite(tokenizer: object, rule: Rule): object {
  const visit = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(visit);
    if (typeof value !== "object" || value === null) return value;
    const node = rule(Object.fromEntries(Object.entries(value)));
    return "pretokenizers" in node || "normalizers" in node
      ? Object.fromEntries(Object.entries(node).map(([key, member]) => [key, key === "pretokenizers" || key === "normalizers" ? visit(member) : member]))
      : node;
  };
  return Object.fromEntries(Object.entries(tokenizer).map(([key, value]) => [key, key === "normalizer" || key === "pre_tokenizer" ? visit(value) : value]));
}
