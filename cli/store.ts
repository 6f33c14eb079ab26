import { statSync } from "node:fs";
import { TruelineError } from "../foundation/errors.js";
import { Store } from "../store/store.js";

/** The store that commands work on: TRUELINE_HOME, else `.trueline` in the working directory. Errors: TL_STORE_DENIED. */
export function openStore(): Store {
  const home = Store.homeOf(process.env, process.cwd());
  if (isFile(home)) {
    throw new TruelineError("TL_STORE_DENIED", `${home} is not a folder.`, { hint: "Point TRUELINE_HOME at a folder that may be written." });
  }
  return new Store(home);
}

/** Whether the path, or something that it leads through, is there and no folder. */
function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ENOTDIR";
  }
}
