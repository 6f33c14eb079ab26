import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { regularFile } from "./regular-file.js";
import { systemCode } from "./storage-faults.js";

/**
 * Writes a whole file or nothing: temporary file beside it, fsync, rename, fsync of the directory. A reader sees the
 * old file or the new one, also after a power cut.
 */
export async function writeDurably(path: string, chunks: string | Iterable<Uint8Array>): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}${partSuffix(hostname(), process.pid)}${randomBytes(6).toString("hex")}`);
  try {
    const file = await open(temporary, "wx");
    try {
      if (typeof chunks === "string") await file.writeFile(chunks);
      else for (const chunk of chunks) await file.writeFile(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    if (systemCode(error) === undefined) throw error;
    // What the system says of a write names no file.
    throw new Error(`${path} can't be written: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  await syncDirectory(dirname(path));
}

const partSuffix = (host: string, pid: number): string => `.${host}.${pid}.`;

/** The process of this host that was writing, where a file is the half of a write: its name says so. */
export function writerOf(name: string): number | undefined {
  const [, pid] = /\.(\d+)\.[0-9a-f]{12}$/.exec(name) ?? [];
  return pid !== undefined && name.startsWith(".") && name.includes(partSuffix(hostname(), Number(pid))) ? Number(pid) : undefined;
}

/**
 * Makes a folder and those above it that are missing. Node's own `recursive` tries for ever where a file system takes no new
 * names and says so with ENOENT, as /proc does.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const code = systemCode(error);
    if (code === "EEXIST" && (await stat(path)).isDirectory()) return;
    if (code !== "ENOENT" || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await mkdir(path).catch((again: unknown) => {
      // Another process may have made it in between.
      if (systemCode(again) !== "EEXIST") throw again;
    });
  }
}

/** Makes the names in a directory survive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Size and SHA-256 of a regular file. Errors: TL_DATA_UNREADABLE for anything else, or where it changes meanwhile. */
export async function hashFile(path: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of regularFile(path)) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest("hex") };
}
