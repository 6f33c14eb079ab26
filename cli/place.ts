import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import { systemCode } from "../foundation/storage-faults.js";

/** What keeps a file or folder from being written, by the operating system's code. */
const obstacles = new Map<string | undefined, (path: string) => string>([
  ["ENOENT", (path) => existsSync(dirname(path)) ? `${dirname(path)} takes no such file` : `${dirname(path)} is not there and can't be made`],
  ["ENOTDIR", (path) => `a part of ${dirname(path)} is no folder`],
  ["EEXIST", (path) => `a part of ${dirname(path)} is no folder`],
  ["EISDIR", (path) => `${path} is a folder`],
  ["EACCES", (path) => `${dirname(path)} may not be written`],
  ["EPERM", (path) => `${dirname(path)} may not be written`],
  ["EROFS", (path) => `${dirname(path)} is on a read-only file system`],
  ["ENOSPC", () => "the disk is full"],
  ["EDQUOT", () => "the disk's quota is used up"],
  ["ELOOP", (path) => `links on the way to ${path} lead in a circle`],
  ["ENAMETOOLONG", () => "the name is too long"],
]);

/** Writes what a person asked for at `path`. Errors: TL_OUTPUT_PLACE saying what is in the way; others as they are. */
export async function writtenAt<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const obstacle = error instanceof TruelineError ? undefined : obstacles.get(systemCode(error));
    if (obstacle === undefined) throw error;
    throw new TruelineError("TL_OUTPUT_PLACE", `${path} can't be written: ${obstacle(path)}.`, { hint: "Name another place.", cause: error });
  }
}
