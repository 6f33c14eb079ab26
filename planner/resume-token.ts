import { createHash } from "node:crypto";
import { canonicalJson, type Json } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";

/** What a preview showed, part by part: what it is in words, and a value that changes when it does. */
export type ShownParts = ReadonlyMap<string, Json>;

const digestBytes = 16;
const labelBytes = 3;
const partBytes = 6;

/** A token that stands for what was shown. It is computed from that alone: nothing is kept anywhere. */
export function tokenOf(shown: ShownParts): string {
  const parts = [...shown].map(([label, value]) => partOf(label, value));
  return Buffer.concat([hash(canonicalJson(Object.fromEntries(shown)), digestBytes), ...parts]).toString("base64url");
}

/**
 * Refuses what is not what the token's preview showed.
 * @throws TL_RESUME_CHANGED naming the parts that differ; TL_USAGE where the text is no token.
 */
export function checkToken(token: string, now: ShownParts): void {
  if (token === tokenOf(now)) return;
  const bytes = Buffer.from(token, "base64url");
  if (bytes.toString("base64url") !== token || bytes.length <= digestBytes || (bytes.length - digestBytes) % partBytes !== 0) {
    throw new TruelineError("TL_USAGE", "--token is not what `trueline resume RUN --preview` printed.", { hint: "Copy all of it: letters, digits, - and _." });
  }
  const then = new Map<string, string>();
  for (let at = digestBytes; at < bytes.length; at += partBytes) {
    then.set(bytes.toString("hex", at, at + labelBytes), bytes.toString("hex", at + labelBytes, at + partBytes));
  }
  const parts = [...now].map(([label, value]) => ({ label, bytes: partOf(label, value).toString("hex") }));
  const changed = parts.filter(({ bytes: part }) => then.get(part.slice(0, 2 * labelBytes)) !== part.slice(2 * labelBytes)).map(({ label }) => label);
  const known = new Set(parts.map(({ bytes: part }) => part.slice(0, 2 * labelBytes)));
  const gone = [...then.keys()].filter((label) => !known.has(label)).length;
  const what = [...changed, ...(gone > 0 ? [`${gone} of the things shown ${gone === 1 ? "is" : "are"} no longer there`] : [])];
  throw new TruelineError("TL_RESUME_CHANGED", `Since the preview these have changed: ${what.join("; ") || "something that was shown"}.`, {
    hint: "Nothing was done. Look again with --preview, and take the new token.",
  });
}

function partOf(label: string, value: Json): Buffer {
  return Buffer.concat([hash(label, labelBytes), hash(canonicalJson(value), partBytes - labelBytes)]);
}

function hash(text: string, bytes: number): Buffer {
  return createHash("sha256").update(text).digest().subarray(0, bytes);
}
