import { readBytes } from "./bytes.js";
import { limitsNow, megabytes, tooMuch, type DataLimits } from "./limits.js";

export interface Line {
  /** From 1. */
  readonly number: number;
  readonly bytes: Uint8Array;
}

/**
 * The lines of a file, decompressed as its name says, without their ends (LF or CR LF). Reads no further than it
 * is asked to. Errors: TL_DATA_UNREADABLE when the file or its compression is damaged or goes past a limit.
 */
export async function* readLines(path: string, limits: DataLimits = limitsNow()): AsyncGenerator<Line> {
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
  for await (const chunk of readBytes(path, limits)) {
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
