import type { JSONPath } from "jsonc-parser";
import type { ErrorCode } from "../foundation/errors.js";
import { TruelineError } from "../foundation/errors.js";
import { withoutKeys } from "../foundation/secrets.js";
import { displayWidth } from "../foundation/text.js";
import { keysIn } from "./secrets.js";
import { spanOf, type Source, type Span } from "./source.js";

/** Something wrong with a spec: at a path, or for faults of the text itself at a stretch of it. */
export interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
  /** What would be right. */
  readonly hint?: string;
  readonly path?: JSONPath;
  /** Whether the key or the value at `path` is at fault; default the value. */
  readonly part?: "key" | "value";
  readonly span?: Span;
}

/** A fault with its place in the user's file. Lines and columns count from 1; a column is a UTF-16 unit, as editors count. */
export interface Diagnostic {
  readonly code: ErrorCode;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Members that lead to the place, such as `stages.ppo.tricks`; empty for faults of the text itself. */
  readonly field: string;
  readonly message: string;
  readonly hint?: string;
  /** The lines around the place, a caret under it. */
  readonly frame: string;
}

/** A spec's faults as one error. Its message lists them all with frames. */
export class SpecError extends TruelineError {
  readonly summary: string;

  constructor(readonly file: string, readonly diagnostics: readonly Diagnostic[]) {
    const count = diagnostics.length === 1 ? "1 fault" : `${diagnostics.length} faults`;
    super("TL_SPEC_INVALID", `${file} has ${count}.\n\n${diagnostics.map((diagnostic) => diagnosticText(diagnostic)).join("\n\n")}`);
    this.summary = `${file} has ${count}.`;
  }
}

/** Faults in the order of their places, each once, without keys that stand in the text. */
export function diagnose(source: Source, faults: readonly Fault[]): Diagnostic[] {
  const placed = faults.map((fault) => ({ fault, span: fault.span ?? spanOf(source.root, fault.path ?? [], fault.part ?? "value") }));
  placed.sort((a, b) => a.span.offset - b.span.offset);
  const keys = keysIn(source.value);
  const shown = withoutKeys(source.text, keys);
  const diagnostics = placed.map(({ fault, span }) => ({
    code: fault.code, file: source.file, ...position(source.text, span.offset), field: withoutKeys((fault.path ?? []).join("."), keys),
    message: withoutKeys(fault.message, keys), ...(fault.hint !== undefined && { hint: withoutKeys(fault.hint, keys) }), frame: codeFrame(shown, span),
  }));
  const seen = new Set<string>();
  return diagnostics.filter(({ line, column, message }) => {
    const name = `${line}:${column}:${message}`;
    return seen.has(name) ? false : seen.add(name);
  });
}

/** How parts of a diagnostic are shown. */
export interface Paint {
  readonly place: (text: string) => string;
  readonly fault: (text: string) => string;
  readonly hint: (text: string) => string;
}

const plain: Paint = { place: (text) => text, fault: (text) => text, hint: (text) => text };

/** One diagnostic for people. */
export function diagnosticText({ code, file, line, column, message, hint, frame }: Diagnostic, paint: Paint = plain): string {
  const lines = [`${paint.place(`${file}:${line}:${column}`)} ${paint.fault(code)}`, message, frame];
  if (hint !== undefined) lines.push(`${paint.hint("hint:")} ${hint}`);
  return lines.join("\n");
}

function position(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return { line, column: offset - before.lastIndexOf("\n") };
}

/** Characters of a line that a frame shows; of longer lines (minified JSON) it shows the part around the place. */
const frameWidth = 100;

/** The line at fault between its neighbours, and a caret line under it. */
export function codeFrame(text: string, { offset, length }: Span): string {
  const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
  const { line, column } = position(text, offset);
  const from = Math.max(1, line - 1);
  const to = Math.min(lines.length, line + 1);
  const gutter = String(to).length;
  const start = column > frameWidth - 20 ? column - 40 : 0;
  const shown = (content: string): string => content.slice(start, start + frameWidth).replaceAll("\t", " ");
  const result: string[] = [];
  for (let number = from; number <= to; number++) {
    const content = lines[number - 1]!;
    result.push(`${number === line ? ">" : " "} ${String(number).padStart(gutter)} | ${shown(content)}`.trimEnd());
    if (number !== line) continue;
    const marked = content.slice(column - 1, Math.min(column - 1 + Math.max(1, length), start + frameWidth));
    const indent = displayWidth(content.slice(start, column - 1).replaceAll("\t", " "));
    result.push(`  ${" ".repeat(gutter)} | ${" ".repeat(indent)}${"^".repeat(Math.max(1, displayWidth(marked)))}`);
  }
  return result.join("\n");
}
