import { findNodeAtLocation, parseTree, printParseErrorCode, type JSONPath, type Node, type ParseError } from "jsonc-parser";
import type { Fault } from "./fault.js";

/** A spec's text, its value, and where each part of it stands. */
export interface Source {
  /** The file as the user named it. */
  readonly file: string;
  readonly text: string;
  /** Undefined where the text is no JSON. */
  readonly value: unknown;
  readonly root: Node | undefined;
}

/** A stretch of the text, in UTF-16 units. */
export interface Span {
  readonly offset: number;
  readonly length: number;
}

export interface ParsedSource {
  readonly source: Source;
  readonly faults: readonly Fault[];
}

/** Parses strict JSON (no comments, no trailing commas) and finds every syntax error and every key given twice. */
export function parseSource(file: string, written: string): ParsedSource {
  const text = written.startsWith("\ufeff") ? written.slice(1) : written;
  try {
    return parse(file, text);
  } catch (error) {
    // Parsers of JSON are recursive; nothing else in them throws.
    if (!(error instanceof RangeError)) throw error;
    const fault: Fault = { code: "TL_SPEC_SYNTAX", span: { offset: 0, length: 1 }, message: "the document is nested too deeply" };
    return { source: { file, text, root: undefined, value: undefined }, faults: [fault] };
  }
}

function parse(file: string, text: string): ParsedSource {
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false });
  if (errors.length > 0 || root === undefined) {
    return { source: { file, text, root, value: undefined }, faults: syntaxFaults(text, errors) };
  }
  return { source: { file, text, root, value: valueOf(root) }, faults: repeatedKeys(root, []) };
}

const syntaxMessages: Readonly<Record<string, string>> = {
  InvalidSymbol: "this is no JSON value",
  InvalidNumberFormat: "this is no JSON number",
  PropertyNameExpected: "a key in double quotes belongs here",
  ValueExpected: "a value belongs here",
  ColonExpected: "a colon is missing before this",
  CommaExpected: "a comma is missing before this",
  CloseBraceExpected: "a closing `}` is missing",
  CloseBracketExpected: "a closing `]` is missing",
  EndOfFileExpected: "the document has ended before this",
  InvalidCommentToken: "JSON has no comments",
  UnexpectedEndOfComment: "JSON has no comments",
  UnexpectedEndOfString: "this text has no closing quote",
  UnexpectedEndOfNumber: "this number is not complete",
  InvalidUnicode: "`\\u` takes four hexadecimal digits",
  InvalidEscapeCharacter: "this escape is none of JSON's",
  InvalidCharacter: "control characters have to be escaped",
};

/** One fault a place: the parser goes on after an error and stumbles over the same place again, and after a word that is no JSON over the rest of its line. */
function syntaxFaults(text: string, errors: readonly ParseError[]): Fault[] {
  if (text.trim() === "") return [{ code: "TL_SPEC_SYNTAX", span: { offset: 0, length: 1 }, message: "the file is empty", hint: "name the JSON file of a pipeline" }];
  const told: ParseError[] = [];
  for (const error of errors) if (!told.some((before) => follows(text, error, before))) told.push(error);
  return told.map(({ error, offset, length }) => {
    const name = printParseErrorCode(error);
    const hint = syntaxHint(name, text, offset, length);
    return { code: "TL_SPEC_SYNTAX" as const, span: { offset, length }, message: syntaxMessages[name] ?? name, ...(hint && { hint }) };
  });
}

function follows(text: string, { offset }: ParseError, before: ParseError): boolean {
  if (offset === before.offset) return true;
  if (printParseErrorCode(before.error) !== "InvalidSymbol" || offset < before.offset) return false;
  const between = text.slice(before.offset + before.length, offset);
  return between.trim() === "" || !between.includes("\n");
}

/** What JSON has for words that other notations have. */
const jsonWords: Readonly<Record<string, string>> = {
  True: "JSON writes `true`", False: "JSON writes `false`", None: "leave the member out", undefined: "leave the member out",
  NaN: "JSON has no such number", Infinity: "JSON has no such number", "-Infinity": "JSON has no such number",
};

function syntaxHint(name: string, text: string, offset: number, length: number): string | undefined {
  switch (name) {
    case "InvalidCommentToken": return "put the words in a `description` member";
    case "PropertyNameExpected": case "ValueExpected": return text.slice(0, offset).trimEnd().endsWith(",") ? "remove the comma before it" : undefined;
    case "InvalidSymbol": break;
    default: return undefined;
  }
  const word = text.slice(offset, offset + length);
  if (Object.hasOwn(jsonWords, word)) return jsonWords[word];
  if (word.startsWith("'")) return "JSON has double quotes alone";
  if (/^[+-]?\.?\d/.test(word)) return "numbers are written as 0.15, 15 or 1e-3";
  if (text.slice(0, offset).trim() === "") return "a spec is one JSON object: {\"version\": 1, …}";
  return /^\s*:/.test(text.slice(offset + length)) ? "keys stand in double quotes" : "text stands in double quotes";
}

/** The value of a node. Of a key given twice the first counts, as in `spanOf`; `__proto__` is a member like any other. */
function valueOf(node: Node): unknown {
  if (node.type === "array") return (node.children ?? []).map(valueOf);
  if (node.type !== "object") return node.value;
  const members = new Map<string, unknown>();
  for (const { children: [key, value] = [] } of node.children ?? []) {
    if (key && value && !members.has(String(key.value))) members.set(String(key.value), valueOf(value));
  }
  return Object.fromEntries(members);
}

function repeatedKeys(node: Node, path: JSONPath): Fault[] {
  if (node.type === "array") return (node.children ?? []).flatMap((child, index) => repeatedKeys(child, [...path, index]));
  if (node.type !== "object") return [];
  const seen = new Set<string>();
  return (node.children ?? []).flatMap((property): Fault[] => {
    const [key, value] = property.children ?? [];
    if (key === undefined || value === undefined) return [];
    const name = String(key.value);
    const here: Fault[] = seen.has(name)
      ? [{ code: "TL_SPEC_DUPLICATE_KEY", span: key, message: `\`${name}\` is given twice; only one would count`, hint: "remove one of them" }]
      : [];
    seen.add(name);
    return [...here, ...repeatedKeys(value, [...path, name])];
  });
}

/** Where a path stands: its key, its value, or the nearest part of it that there is. */
export function spanOf(root: Node | undefined, path: JSONPath, part: "key" | "value"): Span {
  if (root === undefined) return { offset: 0, length: 1 };
  for (let depth = path.length; depth >= 0; depth--) {
    const node = findNodeAtLocation(root, path.slice(0, depth));
    if (node === undefined) continue;
    const key = node.parent?.type === "property" ? node.parent.children?.[0] : undefined;
    // A part that is missing is shown at the key of what lacks it, not over its whole body.
    const shown = key !== undefined && (part === "key" || depth < path.length) ? key : node;
    return { offset: shown.offset, length: shown.length };
  }
  return { offset: 0, length: 1 };
}
