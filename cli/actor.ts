import { hostname, userInfo } from "node:os";

/** Who gives this command, for the ledger. */
export function actor(): string {
  return `${process.env.TRUELINE_ACTOR ?? accountName()}@${hostname()}`;
}

function accountName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user id may have no account.
    return `uid-${process.getuid?.() ?? "unknown"}`;
  }
}
