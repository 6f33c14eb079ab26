import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { parse, CsvError } from "csv-parse";
import { z } from "zod";
import { readBytes } from "./bytes.js";
import { limitsNow, tooMuch, unreadable, type DataLimits, megabytes } from "./limits.js";
import type { RawRow } from "./raw.js";

/** Members that are lists or objects in every format: a cell holds them as JSON. */
const jsonMembers = new Set(["messages", "conversations", "history", "tags"]);

const recordSchema = z.object({ record: z.array(z.string()), info: z.object({ lines: z.number() }) });

/**
 * The rows of a csv file (RFC 4180): its first line names the columns, a row is an object of the cells that are not empty.
 * Errors: TL_DATA_UNREADABLE for a file without columns, with cells that other marks than commas part, with one twice, or with quotes that don't fit; as `readBytes`.
 */
export async function* readCsv(path: string, limits: DataLimits = limitsNow()): AsyncGenerator<RawRow> {
  let columns: readonly string[] | undefined;
  for await (const { line, record } of records(path, limits)) {
    if (columns === undefined) columns = named(path, record);
    else yield cellsOf(line, columns, record);
  }
}

/** The names of a csv file's columns, which are its first line's cells; undefined where it is empty. Errors: as `readCsv`. */
export async function csvColumns(path: string, limits: DataLimits = limitsNow()): Promise<readonly string[] | undefined> {
  for await (const { record } of records(path, limits)) return record;
  return undefined;
}

async function* records(path: string, limits: DataLimits): AsyncGenerator<{ readonly line: number; readonly record: readonly string[] }> {
  const parser = parse({
    bom: true, info: true, record_delimiter: ["\r\n", "\n"], relax_column_count: true, skip_empty_lines: true, max_record_size: limits.lineBytes,
  });
  const stop = new AbortController();
  // A failure of the file reaches the reader through the parser.
  const fed = pipeline(Readable.from(text(path, limits), { objectMode: false }), parser, { signal: stop.signal }).catch(() => undefined);
  let before = 0;
  try {
    for await (const item of parser) {
      const { record, info } = recordSchema.parse(item);
      const line = before + 1;
      before = info.lines;
      yield { line, record };
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    if (error.code === "CSV_MAX_RECORD_SIZE") throw tooMuch(path, `the row after line ${before} is longer than ${megabytes(limits.lineBytes)}`);
    throw unreadable(path, `is no csv: ${error.message.replace(/\.$/, "")}`, { cause: error, hint: "Quote cells that hold a comma, a quote or a line end, and write a quote in them twice." });
  } finally {
    stop.abort();
    await fed;
  }
}

/** The parser would take bytes that are no UTF-8 for other characters. */
async function* text(path: string, limits: DataLimits): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  try {
    for await (const chunk of readBytes(path, limits)) yield decoder.decode(chunk, { stream: true });
    yield decoder.decode();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw unreadable(path, "holds bytes that are no valid UTF-8", { cause: error });
  }
}

function named(path: string, columns: readonly string[]): readonly string[] {
  const parted = columns.length === 1 ? [";", "\t"].find((mark) => columns[0]!.includes(mark)) : undefined;
  if (parted !== undefined) {
    throw unreadable(path, `has one column, named ${JSON.stringify(columns[0])}`, { hint: `Its cells seem to be parted by ${JSON.stringify(parted)}: part them by commas.` });
  }
  const twice = columns.find((name, index) => columns.indexOf(name) !== index);
  if (twice !== undefined) throw unreadable(path, `has two columns named ${JSON.stringify(twice)}`, { hint: "Its first line names the columns, each once." });
  return columns;
}

function cellsOf(line: number, columns: readonly string[], record: readonly string[]): RawRow {
  if (record.length !== columns.length) return { line, fault: `${record.length} cells, and the first line names ${columns.length} columns` };
  const cells: [string, unknown][] = [];
  for (const [index, name] of columns.entries()) {
    const cell = record[index]!;
    if (cell === "") continue;
    if (!jsonMembers.has(name)) cells.push([name, cell]);
    else try {
      cells.push([name, JSON.parse(cell)]);
    } catch {
      return { line, fault: `${name}: no JSON: ${cell.slice(0, 60)}` };
    }
  }
  return { line, value: Object.fromEntries(cells) };
}
