import { createHash } from "node:crypto";
import { canonicalJson } from "../foundation/canonical.js";
import type { Message } from "./types.js";

/**
 * Whether a row is held out: SHA-256 of its key, as a number in [0, 1), is below `holdout`. It depends on nothing else, so
 * a key is on the same side in every file, in any order of rows, and a larger holdout holds out what a smaller one did.
 */
export function isHeldOut(key: string, holdout: number): boolean {
  return createHash("sha256").update(key).digest().readUIntBE(0, 6) / 2 ** 48 < holdout;
}

/** A prompt as one text: the key of rows without a group, and what makes two prompts the same. */
export function promptKey(messages: readonly Message[]): string {
  return canonicalJson(messages.map(({ role, content }) => ({ role, content })));
}
