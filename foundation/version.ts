import { readFileSync } from "node:fs";
import { z } from "zod";

/** Trueline's version, from package.json: one folder up in sources, two in dist/. */
export const version: string = readVersion(import.meta.url.endsWith(".ts") ? "../package.json" : "../../package.json");

function readVersion(path: string): string {
  const text = readFileSync(new URL(path, import.meta.url), "utf8");
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}
