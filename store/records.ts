import type { z } from "zod";
import { canonicalJson, digestOf } from "../foundation/canonical.js";

/** The text of a JSON file of the store: sorted keys, a member a line. One text for one value, so that any changed byte shows. */
export function recordText(value: unknown): string {
  return `${JSON.stringify(JSON.parse(canonicalJson(value)), undefined, 1)}\n`;
}

/** The text of a record that nothing else names by its digest: it carries the digest of its other members. */
export function sealedText(value: object): string {
  return recordText({ ...value, digest: digestOf(value) });
}

/** The record in a sealed text; undefined where a single byte is not as it was written, or where it is no such record. */
export function unsealed<Schema extends z.ZodType>(text: string, schema: Schema): z.output<Schema> | undefined {
  const parsed = parseJson(text);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return undefined;
  const value = Object.fromEntries(Object.entries(parsed).filter(([name]) => name !== "digest"));
  return isSealed(value, text) ? schema.safeParse(value).data : undefined;
}

function isSealed(value: object, text: string): boolean {
  try {
    return sealedText(value) === text;
  } catch (error) {
    // Nested deeper than anything that was ever written here.
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** The value of a JSON text; undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
