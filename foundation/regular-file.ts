import { constants } from "node:fs";
import { lstat, open, realpath, type FileHandle } from "node:fs/promises";
import { TruelineError } from "./errors.js";

const chunkBytes = 1 << 18;

/**
 * The bytes of a regular file in chunks. Devices, pipes and folders are refused before a byte is read, and a file that
 * changes while it is read is refused in the end: it never ends up half old and half new. With `unlinked` the path has to
 * be free of links now, as it was when it was checked.
 *
 * Errors: TL_DATA_UNREADABLE; those of the file system as they are.
 */
export async function* regularFile(path: string, { unlinked = false } = {}): AsyncGenerator<Uint8Array> {
  // Opening a pipe would wait for its other end.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const before = await file.stat();
    if (!before.isFile()) throw refused(path, "it is no regular file");
    if (unlinked) await refuseLink(path, file);
    let done = 0;
    for (;;) {
      const chunk = new Uint8Array(chunkBytes);
      const { bytesRead } = await file.read(chunk, 0, chunkBytes);
      done += bytesRead;
      // Not only in the end: some files grow faster than they can be read.
      if (done > before.size) throw refused(path, `it grew beyond its ${before.size} bytes while it was read`);
      if (bytesRead === 0) break;
      yield chunk.subarray(0, bytesRead);
    }
    const after = await file.stat();
    if (done < before.size || after.mtimeMs !== before.mtimeMs) throw refused(path, "it changed while it was read");
  } finally {
    await file.close();
  }
}

/** The open file has to be the one at its path, and no link may lead there. Errors: TL_DATA_UNREADABLE. */
export async function refuseLink(path: string, file: FileHandle): Promise<void> {
  const [real, found, opened] = [await realpath(path), await lstat(path), await file.stat()];
  if (real !== path || found.ino !== opened.ino || found.dev !== opened.dev) throw refused(path, "a link stands where a file was");
}

function refused(path: string, why: string): TruelineError {
  return new TruelineError("TL_DATA_UNREADABLE", `${path} is refused: ${why}.`, { hint: "Name a file that stays as it is while it is read." });
}

/** The UTF-8 text of a regular file of at most `most` bytes. Errors: as `regularFile`, and TL_DATA_UNREADABLE for a larger one. */
export async function readRegular(path: string, most: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of regularFile(path)) {
    bytes += chunk.length;
    if (bytes > most) throw refused(path, `it has more than ${Math.round(most / 2 ** 20)} MiB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
