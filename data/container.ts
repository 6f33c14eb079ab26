import type { DataFormat } from "../schemas/spec.js";
import { readBytes, compressionOf } from "./containers/bytes.js";
import { readCsv } from "./containers/csv.js";
import { readArray } from "./containers/json-array.js";
import { unreadable, type DataLimits } from "./containers/limits.js";
import { readLines, type Line } from "./containers/lines.js";
import { readParquet } from "./containers/parquet.js";
import type { RawRow } from "./containers/raw.js";

export type ReadContainer = (path: string, limits: DataLimits) => AsyncIterable<RawRow>;

/** What reads the rows of a file, by the ending of its name. */
const containers: Readonly<Record<string, ReadContainer>> = {
  ".jsonl": readJsonLines,
  ".ndjson": readJsonLines,
  ".json": readJson,
  ".csv": readCsv,
  ".parquet": (path, limits) => {
    if (compressionOf(path) !== "") throw unreadable(path, "can't be read", { hint: "A parquet file is compressed inside: unpack it, and name it .parquet." });
    return readParquet(path, limits);
  },
};

/** The ending that says what a file is, its compression's left out: ".jsonl" of rows.jsonl.gz; empty where it has none. */
function endingOf(path: string): string {
  const name = path.slice(0, path.length - compressionOf(path).length);
  return /\.[^./\\]*$/.exec(name)?.[0].toLowerCase() ?? "";
}

/** Whether a file's first line names the members of its rows. */
export function hasHeader(path: string): boolean {
  return endingOf(path) === ".csv";
}

/** Endings of names of files that data are kept in: what a folder is searched for. */
export const dataEndings: readonly string[] = [...Object.keys(containers), ".txt"];

/**
 * What reads the rows of a file; undefined for running text, which has none. A file of another name is a row a line, and
 * running text where its format is text.
 */
export function containerOf(path: string, format: DataFormat): ReadContainer | undefined {
  const ending = endingOf(path);
  if (Object.hasOwn(containers, ending)) return containers[ending];
  return format === "text" ? undefined : readJsonLines;
}

async function* readJsonLines(path: string, limits: DataLimits): AsyncGenerator<RawRow> {
  for await (const line of readLines(path, limits)) yield* rowOf(line);
}

/** A .json file is an array of rows or, as some name them, a row a line: an array begins with a bracket. */
async function* readJson(path: string, limits: DataLimits): AsyncGenerator<RawRow> {
  const read = await firstCharacter(path, limits) === "[" ? readArray : readLines;
  for await (const line of read(path, limits)) yield* rowOf(line);
}

async function firstCharacter(path: string, limits: DataLimits): Promise<string | undefined> {
  for await (const chunk of readBytes(path, limits)) {
    const [first] = Buffer.from(chunk).toString("latin1").replace(/^ï»¿/, "").trimStart();
    if (first !== undefined) return first;
  }
  return undefined;
}

/** Blank lines are no rows. */
function* rowOf(line: Line): Generator<RawRow> {
  const decoded = decodeLine(line);
  if ("fault" in decoded) yield { line: line.number, fault: decoded.fault };
  else if (decoded.text.trim() !== "") yield { line: line.number, ...parseJson(decoded.text) };
}

function parseJson(text: string): { readonly value: unknown } | { readonly fault: string } {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return { fault: `no JSON object: ${text.length > 60 ? `${text.slice(0, 60)}…` : text}` };
  }
}

// Leaves a byte order mark out.
const decoder = new TextDecoder("utf-8", { fatal: true });

/** A line's text, or that it has none. */
export function decodeLine({ bytes }: Line): { readonly text: string } | { readonly fault: string } {
  try {
    return { text: decoder.decode(bytes) };
  } catch {
    return { fault: "no valid UTF-8" };
  }
}
