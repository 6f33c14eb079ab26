import { stat } from "node:fs/promises";
import { hashFile } from "../foundation/files.js";

const digests = new Map<string, Promise<string>>();

/** SHA-256 of a file's content; remembered inside the process while path, size and time of change stay the same. */
export async function fileDigest(path: string): Promise<string> {
  const { size, mtimeMs, ino } = await stat(path);
  const name = `${path}\0${ino}\0${size}\0${mtimeMs}`;
  const digest = digests.get(name) ?? hashFile(path).then(({ sha256 }) => sha256);
  digests.set(name, digest);
  return digest;
}
