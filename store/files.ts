import { open, readFile, readdir, rename, stat } from "node:fs/promises";
import { basename, dirname, join, posix } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import { hashFile, makeFolder, syncDirectory, writeDurably } from "../foundation/files.js";
import { storageFault, systemCode } from "../foundation/storage-faults.js";

export interface FileRecord {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** What is in the way where a store can't be, by the operating system's code. */
const obstacles: ReadonlyMap<string | undefined, string> = new Map([
  ["ENOENT", "no such place can be made"], ["ENOTDIR", "something on the way is no folder"], ["EEXIST", "a file is where a folder belongs"],
  ["EISDIR", "a folder is where a file belongs"], ["ELOOP", "links lead in a circle"], ["ENAMETOOLONG", "the name is too long"],
]);

/** Runs a piece of file work in the store; what fails in it comes out as a coded error. */
export async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const fault = storageFault(error);
    const obstacle = obstacles.get(systemCode(error));
    if (fault !== error || obstacle === undefined || !(error instanceof Error)) throw fault;
    throw new TruelineError("TL_STORE_DENIED", `The store can't be used, ${obstacle}: ${error.message}`, {
      hint: "Point TRUELINE_HOME at a folder that may be written, or move away what the message names.", cause: error,
    });
  }
}

/** Writes a whole file or nothing, its folder made where it is missing. */
export async function writeWhole(path: string, text: string): Promise<void> {
  await makeFolder(dirname(path));
  await writeDurably(path, text);
}

/** Moves a file or directory, if it is there, into a folder that is made where it is missing. */
export async function moveIfThere(path: string, folder: string): Promise<void> {
  if (!await stat(path).then(() => true, () => false)) return;
  await makeFolder(folder);
  await rename(path, join(folder, basename(path)));
  await syncDirectory(folder);
  await syncDirectory(dirname(path));
}

/** The text of a file, or undefined where there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  const bytes = await readBytesIfThere(path);
  return bytes && Buffer.from(bytes).toString();
}

/** The bytes of a file, or undefined where there is none. */
export async function readBytesIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Names in a directory; none where there is no directory. */
export async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}

/** Every file under a directory, by path with forward slashes, sorted, without `except`. */
export async function recordFiles(directory: string, except: string): Promise<FileRecord[]> {
  const records: FileRecord[] = [];
  for (const path of await filesUnder(directory)) {
    if (path !== except) records.push({ path, ...await hashFile(join(directory, path)) });
  }
  return records;
}

/** What is wrong with a directory whose files should be these; undefined when nothing is. `deep` hashes the bytes too. */
export async function faultIn(directory: string, files: readonly FileRecord[], deep: boolean): Promise<string | undefined> {
  for (const file of files) {
    const path = join(directory, file.path);
    const size = await stat(path).then((found) => found.size, () => undefined);
    if (size === undefined) return `${file.path} is missing`;
    if (size !== file.bytes) return `${file.path} has ${size} bytes, not ${file.bytes}`;
    if (deep && (await hashFile(path)).sha256 !== file.sha256) return `the bytes of ${file.path} have changed`;
  }
  return undefined;
}

/** fsyncs every file and directory of a tree, so that a rename of it publishes it whole. */
export async function syncTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    await (entry.isDirectory() ? syncTree(path) : syncFile(path));
  }
  await syncDirectory(directory);
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Paths of all files under a directory, with forward slashes, sorted. */
export async function filesUnder(directory: string, prefix = ""): Promise<string[]> {
  const paths: string[] = [];
  for (const entry of await readdir(join(directory, prefix), { withFileTypes: true })) {
    const path = posix.join(prefix, entry.name);
    if (entry.isDirectory()) paths.push(...await filesUnder(directory, path));
    else paths.push(path);
  }
  return paths.sort();
}

/** Where to look on when a file of a run is damaged. */
export function verifyHint(run: string): { readonly hint: string } {
  return { hint: `\`trueline verify ${run}\` says what is damaged.` };
}
