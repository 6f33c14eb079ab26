import { z } from "zod";
import type { DataFormat } from "../schemas/spec.js";
import { containerOf, decodeLine } from "./container.js";
import { limitsNow, unreadable, type DataLimits } from "./containers/limits.js";
import { readLines } from "./containers/lines.js";
import type { RawRow } from "./containers/raw.js";
import { RowFault } from "./fault.js";
import { readerOf } from "./formats.js";
import { stretches } from "./readers/plain-text.js";
import { parseRow, type Content, type Reader } from "./readers/row.js";

/** A usable row: what it holds, and what its file says about it. */
export interface ReadRow {
  readonly line: number;
  readonly content: Content;
  /** Rows of a group are held out together. */
  readonly group: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
}

/** A row that can't be used. `value` is what it holds, where that much can be read. */
export interface BadRow {
  readonly line: number;
  readonly fault: string;
  readonly value?: unknown;
}

const word = z.union([z.string(), z.number(), z.boolean()]).transform(String);

const labelsSchema = z.object({
  group: word.nullish(),
  tags: z.record(z.string(), word, "tags are an object of strings").nullish(),
});

/**
 * A file's rows in order, as its container and the entry's format have them, or stretches of running text.
 * Errors: TL_DATA_UNREADABLE for the file as a whole; a bad row is a row.
 */
export async function* readRows(path: string, format: DataFormat, limits: DataLimits = limitsNow()): AsyncGenerator<ReadRow | BadRow> {
  const container = containerOf(path, format);
  if (container === undefined) {
    for await (const { number, text } of stretches(plainLines(path, limits))) {
      yield { line: number, content: { is: "text", text }, group: undefined, tags: {} };
    }
    return;
  }
  const read = readerOf(format);
  for await (const row of container(path, limits)) yield readRow(row, read);
}

function readRow(row: RawRow, read: Reader): ReadRow | BadRow {
  const { line } = row;
  if ("fault" in row) return row;
  const { value } = row;
  try {
    const content = read(value);
    const { group, tags } = labelsOf(value);
    return { line, content, group: group ?? undefined, tags: tags ?? {} };
  } catch (error) {
    if (error instanceof RowFault) return { line, fault: error.message, value };
    throw error;
  }
}

/** Rows that are lists have no room for labels. */
function labelsOf(value: unknown): z.output<typeof labelsSchema> {
  return Array.isArray(value) ? {} : parseRow(labelsSchema, value);
}

/** Lines of running text. One damaged line spoils the text: it can't be left out without joining what it parts. */
async function* plainLines(path: string, limits: DataLimits): AsyncGenerator<{ number: number; text: string }> {
  for await (const line of readLines(path, limits)) {
    const read = decodeLine(line);
    if ("fault" in read) throw unreadable(`${path}:${line.number}:`, read.fault);
    yield { number: line.number, text: read.text };
  }
}
