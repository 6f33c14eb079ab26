import { hostname, userInfo } from "node:os";
import { TruelineError } from "../foundation/errors.js";
import { oneLinePattern } from "../foundation/text.js";

/** Who gives this command, for the ledger. Errors: TL_USAGE for a name that could pass for something else there. */
export function actor(): string {
  const name = process.env.TRUELINE_ACTOR || accountName();
  if (name.length > 200 || !oneLinePattern.test(name)) {
    throw new TruelineError("TL_USAGE", "TRUELINE_ACTOR is longer than 200 characters or holds control characters.", { hint: "It is a name, such as that of an account." });
  }
  return `${name}@${hostname()}`;
}

function accountName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user id may have no account.
    return `uid-${process.getuid?.() ?? "unknown"}`;
  }
}
