import { z } from "zod";

/** Text of a pattern that the words describe, as messages, the JSON Schema and docs/spec.md have them. */
export function textLike(pattern: RegExp, words: string) {
  return z.string().regex(pattern, words).meta({ title: words });
}
