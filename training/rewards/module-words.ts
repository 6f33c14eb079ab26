import { basename } from "node:path";
import { inspect } from "node:util";

/** A value as a message shows it. */
export function shown(value: unknown): string {
  const text = inspect(value, { depth: 0, breakLength: Infinity });
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** An error with the place in the module at `path` where it was thrown, where that is known. */
export function wordsOf(error: unknown, path: string): string {
  if (!(error instanceof Error)) return shown(error);
  const line = (error.stack ?? "").split("\n").find((each) => each.startsWith("    at ") && each.includes(`/${basename(path)}:`));
  const place = line?.slice(line.lastIndexOf("/") + 1).replace(/\)$/, "");
  return `${error.name}: ${error.message}${place === undefined ? "" : ` (${place})`}`;
}
