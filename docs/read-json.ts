import { readFileSync } from "node:fs";
import type { z } from "zod";

/** A file of the repository that sources and `dist/` alike find, by its path from the root. */
export function inRepository(path: string): URL {
  return new URL(`${import.meta.url.endsWith(".ts") ? ".." : "../.."}/${path}`, import.meta.url);
}

/** The figures that a page is written from. Errors: those of reading and of the schema. */
export function readJson<Schema extends z.ZodType>(path: string, schema: Schema): z.output<Schema> {
  return schema.parse(JSON.parse(readFileSync(inRepository(path), "utf8")));
}
