import { Readable, pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { TruelineError } from "../../foundation/errors.js";
import { regularFile } from "../../foundation/regular-file.js";
import { megabytes, tooMuch, unreadable, type DataLimits } from "./limits.js";
import { unzstd } from "./zstd.js";

type Unpack = (packed: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

const compressions: Readonly<Record<string, Unpack>> = { ".gz": gunzip, ".zst": unzstd };

/** Endings of names that say how a file is compressed. */
export const compressionEndings: readonly string[] = Object.keys(compressions);

/** The ending of a path that names its compression, such as ".gz"; empty where it has none. */
export function compressionOf(path: string): string {
  return compressionEndings.find((ending) => path.toLowerCase().endsWith(ending)) ?? "";
}

/**
 * The bytes of a data file in chunks, decompressed when its name ends in .gz or .zst. Reads no further than it is asked
 * to. Errors: TL_DATA_UNREADABLE when the file or its compression is damaged or goes past a limit.
 */
export async function* readBytes(path: string, limits: DataLimits): AsyncGenerator<Uint8Array> {
  let packed = 0;
  const file = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of regularFile(path, { unlinked: true })) {
      packed += chunk.length;
      yield chunk;
    }
  };
  const unpack = compressions[compressionOf(path)];
  let total = 0;
  try {
    for await (const chunk of unpack === undefined ? file() : unpack(file())) {
      total += chunk.length;
      if (total > limits.totalBytes) throw tooMuch(path, `it holds more than ${megabytes(limits.totalBytes)}`);
      if (total > limits.freeBytes && total > limits.ratio * packed) throw tooMuch(path, `it decompresses to more than ${limits.ratio} times its size`);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof TruelineError) throw error;
    throw unreadable(path, `can't be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

async function* gunzip(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const file = Readable.from(packed, { objectMode: false });
  try {
    // A failure of the file reaches the reader through the end of the pipeline; the callback has nothing to add.
    for await (const chunk of pipeline(file, createGunzip(), () => undefined)) {
      if (!(chunk instanceof Uint8Array)) throw new TypeError("A file was read as text.");
      yield chunk;
    }
  } finally {
    file.destroy();
  }
}
