import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { digestOf } from "../foundation/canonical.js";
import { hashFile } from "../foundation/files.js";
import { manifestSchema, type Manifest } from "../schemas/artifact.js";
import type { Artifacts } from "./artifacts.js";
import type { StoreFault } from "./chain.js";
import { filesUnder, guarded, readBytesIfThere, type FileRecord } from "./files.js";
import { parseJson, recordText } from "./records.js";

/** Called with each file before it is hashed. */
export type OnFile = (file: string, bytes: number) => void;

/** Every byte of an artifact against its digest: the manifest by its name, each file by the manifest, and no file besides. */
export async function artifactFaults(artifacts: Artifacts, digest: string, onFile: OnFile): Promise<StoreFault[]> {
  const directory = artifacts.directory(digest);
  const path = join(directory, "artifact.json");
  const bytes = await guarded(() => readBytesIfThere(path));
  const manifest = bytes && manifestIn(bytes, digest);
  if (manifest === undefined) {
    return [{ file: path, found: bytes === undefined ? "is missing" : "has been changed", expected: `the manifest with digest ${digest}` }];
  }
  return guarded(() => directoryFaults(directory, manifest.files, "artifact.json", onFile));
}

/** The manifest in the bytes of an `artifact.json`; undefined where any of them is not as its digest says. */
export function manifestIn(bytes: Uint8Array, digest: string): Manifest | undefined {
  const manifest = manifestSchema.safeParse(parseJson(Buffer.from(bytes).toString())).data;
  return manifest !== undefined && digestOf(manifest) === digest && Buffer.from(recordText(manifest)).equals(bytes) ? manifest : undefined;
}

/** What differs between a directory and the files that it should hold, `except` for the file that lists them. */
export async function directoryFaults(directory: string, files: readonly FileRecord[], except: string, onFile: OnFile): Promise<StoreFault[]> {
  const faults: StoreFault[] = [];
  for (const { path, bytes, sha256 } of files) {
    const file = join(directory, path);
    const expected = `${bytes} bytes with SHA-256 ${sha256}`;
    const found = await lstat(file).catch(() => undefined);
    if (found === undefined) faults.push({ file, found: "is missing", expected });
    else if (!found.isFile()) faults.push({ file, found: "is no regular file", expected });
    else if (found.size !== bytes) faults.push({ file, found: `has ${found.size} bytes`, expected });
    else {
      onFile(file, bytes);
      const hashed = await hashFile(file);
      if (hashed.sha256 !== sha256) faults.push({ file, found: `has SHA-256 ${hashed.sha256}`, expected });
    }
  }
  const listed = new Set([...files.map(({ path }) => path), except]);
  for (const path of await filesUnder(directory)) {
    if (!listed.has(path)) faults.push({ file: join(directory, path), found: "is listed in no manifest", expected: "no such file" });
  }
  return faults;
}
