import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import type { DataFormat } from "../schemas/spec.js";
import { RowFault } from "./fault.js";
import { readLines, type Line, type LineLimits } from "./lines.js";
import { readDialogue } from "./readers/dialogue.js";
import { readTranscripts } from "./readers/hh-rlhf.js";
import { stretches } from "./readers/plain-text.js";
import { readPreference } from "./readers/preference.js";
import { readPrompt } from "./readers/prompt.js";
import { parseRow, type Content, type Reader } from "./readers/row.js";
import { readText } from "./readers/text.js";

const readers: Readonly<Record<DataFormat, Reader>> = {
  "hh-rlhf": readTranscripts,
  preference: readPreference,
  dialogue: readDialogue,
  prompt: readPrompt,
  text: readText,
};

/** A usable row: what it holds, and what its file says about it. */
export interface ReadRow {
  readonly line: number;
  readonly content: Content;
  /** Rows of a group are held out together. */
  readonly group: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
}

/** A row that can't be used. */
export interface BadRow {
  readonly line: number;
  readonly fault: string;
}

const word = z.union([z.string(), z.number(), z.boolean()]).transform(String);

const labelsSchema = z.object({
  group: word.nullish(),
  tags: z.record(z.string(), word, "tags are an object of strings").nullish(),
});

/**
 * A file's rows in order: a JSON object a line, or stretches of running text where a file of format text is no jsonl.
 * Blank lines are no rows. Errors: TL_DATA_UNREADABLE for the file as a whole; a bad row is a row.
 */
export async function* readRows(path: string, format: DataFormat, limits?: LineLimits): AsyncGenerator<ReadRow | BadRow> {
  if (format === "text" && !isJsonLines(path)) {
    for await (const { number, text } of stretches(plainLines(path, limits))) {
      yield { line: number, content: { is: "text", text }, group: undefined, tags: {} };
    }
    return;
  }
  for await (const line of readLines(path, limits)) {
    const row = attempt(line, (text) => (text.trim() === "" ? undefined : readRow(text, readers[format])));
    if (row !== undefined) yield { line: line.number, ...row };
  }
}

function isJsonLines(path: string): boolean {
  return /\.(jsonl|ndjson|json)(\.gz)?$/i.test(path);
}

function readRow(text: string, reader: Reader): Omit<ReadRow, "line"> {
  const row = parseJson(text);
  const content = reader(row);
  const { group, tags } = parseRow(labelsSchema, row);
  return { content, group: group ?? undefined, tags: tags ?? {} };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RowFault(`no JSON object: ${text.length > 60 ? `${text.slice(0, 60)}…` : text}`);
  }
}

/** Lines of running text. One damaged line spoils the text: it can't be left out without joining what it parts. */
async function* plainLines(path: string, limits?: LineLimits): AsyncGenerator<{ number: number; text: string }> {
  for await (const line of readLines(path, limits)) {
    const read = attempt(line, (text) => ({ text }));
    if (read !== undefined && "fault" in read) throw new TruelineError("TL_DATA_UNREADABLE", `${path}:${line.number}: ${read.fault}.`);
    if (read !== undefined) yield { number: line.number, text: read.text };
  }
}

function attempt<T>({ bytes }: Line, read: (text: string) => T): T | { fault: string } {
  try {
    return read(decode(bytes));
  } catch (error) {
    if (error instanceof RowFault) return { fault: error.message };
    throw error;
  }
}

// Leaves a byte order mark out.
const decoder = new TextDecoder("utf-8", { fatal: true });

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new RowFault("no valid UTF-8");
  }
}
