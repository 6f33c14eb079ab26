import { TruelineError } from "./errors.js";

/** The operating system's code of an error or of anything it was caused by, such as "ENOSPC". */
export function systemCode(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ("code" in at && typeof at.code === "string" && /^E[A-Z0-9]+$/.test(at.code)) return at.code;
  }
  return undefined;
}

/** The coded error behind a failed read or write of the store, in whatever process it failed, or the error itself. */
export function storageFault(error: unknown): unknown {
  if (error instanceof TruelineError) return error;
  const code = systemCode(error);
  const text = error instanceof Error ? error.message : String(error);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new TruelineError("TL_STORE_FULL", text, { hint: "Free some space. A stage under way is tried again from its checkpoint; `trueline resume` goes on with a run that has ended.", cause: error });
  }
  if (code === "EROFS" || code === "EACCES" || code === "EPERM") {
    return new TruelineError("TL_STORE_DENIED", text, { hint: "Point TRUELINE_HOME at a folder that may be written.", cause: error });
  }
  return error;
}
