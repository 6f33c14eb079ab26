import type { ChatMessage } from "./chat-template.js";
import type { AddedToken } from "./tokenizer-files.js";

/** A piece of a rendered template: a special token, or the text between two. */
export type Segment = { readonly special: number } | { readonly text: string };

/** Finds special tokens in what a template renders, and hides those that messages merely spell. */
export class SpecialText {
  private readonly pattern: RegExp | undefined;
  private readonly byContent: ReadonlyMap<string, AddedToken>;

  constructor(special: readonly AddedToken[]) {
    this.byContent = new Map(special.map((token) => [token.content, token]));
    // alternatives are tried in order: the longest first
    const contents = [...this.byContent.keys()].sort((a, b) => b.length - a.length);
    this.pattern = contents.length === 0 ? undefined : new RegExp(contents.map(escapePattern).join("|"), "gu");
  }

  /** Cuts a text at its special tokens; their lstrip and rstrip eat the white space around them. */
  segments(text: string): readonly Segment[] {
    const result: Segment[] = [];
    let done = 0;
    let stripStart = false;
    const addText = (end: number, stripEnd: boolean) => {
      const raw = text.slice(done, end);
      const left = stripStart ? raw.trimStart() : raw;
      const piece = stripEnd ? left.trimEnd() : left;
      if (piece !== "") result.push({ text: piece });
    };
    for (const match of this.pattern === undefined ? [] : text.matchAll(this.pattern)) {
      const token = this.byContent.get(match[0])!;
      addText(match.index, token.lstrip);
      result.push({ special: token.id });
      done = match.index + match[0].length;
      stripStart = token.rstrip;
    }
    addText(text.length, false);
    return result;
  }

  /**
   * Messages in which no special token can be found: the first character of each one spelt is exchanged for a
   * private-use character that occurs nowhere in them. `restore` undoes it on any text.
   */
  guard(messages: readonly ChatMessage[]): { readonly messages: readonly ChatMessage[]; readonly restore: (text: string) => string } {
    const { pattern } = this;
    if (pattern === undefined || messages.every(({ content }) => content.search(pattern) < 0)) return { messages, restore: (text) => text };
    const used = new Set(messages.flatMap(({ content }) => [...content]));
    const standIns = new Map<string, string>();
    let next = 0xf0000;
    const standInFor = (character: string): string => {
      const known = standIns.get(character);
      if (known !== undefined) return known;
      while (used.has(String.fromCodePoint(next))) next++;
      const standIn = String.fromCodePoint(next++);
      standIns.set(character, standIn);
      return standIn;
    };
    const guarded = messages.map(({ role, content }) => {
      let safe = content;
      // again, because a special token may begin inside another
      while (safe.search(pattern) >= 0) {
        safe = safe.replace(pattern, (spelt) => {
          const first = String.fromCodePoint(spelt.codePointAt(0)!);
          return standInFor(first) + spelt.slice(first.length);
        });
      }
      return { role, content: safe };
    });
    const originals = new Map([...standIns].map(([character, standIn]) => [standIn, character]));
    return { messages: guarded, restore: (text) => Array.from(text, (character) => originals.get(character) ?? character).join("") };
  }
}

const escapePattern = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
