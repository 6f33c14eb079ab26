import { Readable, pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { TruelineError } from "../foundation/errors.js";
import { regularFile } from "../foundation/regular-file.js";

/** Bounds of what a data file may ask of memory and time. Text compresses 3 to 30 times; only a bomb goes far beyond. */
export interface LineLimits {
  readonly lineBytes: number;
  /** Decompressed bytes in all. */
  readonly totalBytes: number;
  /** Decompressed over compressed bytes, once `freeBytes` are decompressed. */
  readonly ratio: number;
  readonly freeBytes: number;
}

export const defaultLimits: LineLimits = { lineBytes: 16 * 2 ** 20, totalBytes: 8 * 2 ** 30, ratio: 200, freeBytes: 64 * 2 ** 20 };

/** Name of the variable that multiplies the limits. */
const factorName = "TRUELINE_DATA_LIMIT_FACTOR";

function limitsNow(): LineLimits {
  const factor = Number(process.env[factorName] ?? 1);
  if (!(factor >= 1 && factor <= 1000)) throw new TruelineError("TL_USAGE", `${factorName} is ${JSON.stringify(process.env[factorName])}; it is a number from 1 to 1000.`);
  const { lineBytes, totalBytes, ratio, freeBytes } = defaultLimits;
  return { lineBytes: lineBytes * factor, totalBytes: totalBytes * factor, ratio: ratio * factor, freeBytes: freeBytes * factor };
}

export interface Line {
  /** From 1. */
  readonly number: number;
  readonly bytes: Uint8Array;
}

/**
 * The lines of a file, decompressed when its name ends in .gz, without their ends (LF or CR LF). Reads no further than it
 * is asked to. Errors: TL_DATA_UNREADABLE when the file or its gzip is damaged or goes past a limit.
 */
export async function* readLines(path: string, limits: LineLimits = limitsNow()): AsyncGenerator<Line> {
  let number = 0;
  let pieces: Uint8Array[] = [];
  let pending = 0;
  const take = (piece: Uint8Array): void => {
    pending += piece.length;
    if (pending > limits.lineBytes) throw tooMuch(path, `line ${number + 1} is longer than ${megabytes(limits.lineBytes)}`);
    pieces.push(piece);
  };
  const line = (): Line => {
    const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    pieces = [];
    pending = 0;
    number++;
    return { number, bytes: bytes.at(-1) === carriageReturn ? bytes.subarray(0, -1) : bytes };
  };
  for await (const chunk of chunks(path, limits)) {
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, start)) {
      take(chunk.subarray(start, end));
      yield line();
      start = end + 1;
    }
    if (start < chunk.length) take(chunk.subarray(start));
  }
  if (pending > 0) yield line();
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

async function* chunks(path: string, limits: LineLimits): AsyncGenerator<Uint8Array> {
  let packed = 0;
  const count = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of regularFile(path, { unlinked: true })) {
      packed += chunk.length;
      yield chunk;
    }
  };
  const file = Readable.from(count(), { objectMode: false });
  // A failure of the file reaches the reader through the end of the pipeline; the callback has nothing to add.
  const stream: Readable = path.endsWith(".gz") ? pipeline(file, createGunzip(), () => undefined) : file;
  let total = 0;
  try {
    for await (const chunk of stream) {
      if (!(chunk instanceof Uint8Array)) throw new TypeError("A file was read as text.");
      total += chunk.length;
      if (total > limits.totalBytes) throw tooMuch(path, `it holds more than ${megabytes(limits.totalBytes)}`);
      if (total > limits.freeBytes && total > limits.ratio * packed) throw tooMuch(path, `it decompresses to more than ${limits.ratio} times its size`);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof TruelineError) throw error;
    throw new TruelineError("TL_DATA_UNREADABLE", `${path} can't be read: ${error instanceof Error ? error.message : String(error)}.`, { cause: error });
  } finally {
    file.destroy();
  }
}

function tooMuch(path: string, what: string): TruelineError {
  return new TruelineError("TL_DATA_UNREADABLE", `${path} is refused: ${what}.`, {
    hint: `Check that it is the file that was meant: one JSON object a line, or plain text with line ends. Split it, or raise the limits: ${factorName}=10 allows ten times as much.`,
  });
}

function megabytes(bytes: number): string {
  return bytes < 2 ** 20 ? `${bytes} bytes` : `${Math.round(bytes / 2 ** 20)} MiB`;
}
