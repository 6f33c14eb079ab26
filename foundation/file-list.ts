import { readdir, realpath } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import picomatch from "picomatch";
import { bounded } from "./bounded.js";
import { TruelineError } from "./errors.js";
import { isInside } from "./inside.js";

/** Files that are looked for: those below a folder, itself free of links, whose path from there the glob matches. */
export interface FileList {
  readonly folder: string;
  readonly glob: string;
}

/** Files and folders that are looked at; who has more means another folder. */
const mostEntries = 200_000;
const longestGlob = 1000;
const leastMilliseconds = 1500;
const millisecondsEach = 0.05;

// Names that begin with a dot are left out, as shells do. Nothing in a glob negates or repeats.
const options = { noextglob: true, nonegate: true, strictSlashes: true } as const;

/** Whether a path asks for files by a pattern. */
export function isGlob(path: string): boolean {
  return /[*?[\]{}]/.test(path);
}

/** A path as a glob that matches it alone. */
export function literalGlob(path: string): string {
  return path.replaceAll(/[\\*?[\]{}()!+@|^$]/g, "\\$&");
}

/**
 * The real paths of the files of a list, in the order of their names. Folders that are links are not entered.
 * Errors: TL_DATA_OUTSIDE for a file that is a link out of the folder; TL_DATA_UNREADABLE for a glob that is none, or
 * that has to look at too much; those of the file system where the folder is gone.
 */
export async function listFiles({ folder, glob }: FileList): Promise<string[]> {
  if (glob.length > longestGlob) throw refused(glob, `a pattern has at most ${longestGlob} characters`);
  const { base, maxDepth } = picomatch.scan(glob, { ...options, parts: true, tokens: true });
  const start = join(folder, base.replaceAll(/\\(.)/g, "$1"));
  if (!isInside(folder, start)) throw outside(glob, start);
  await inside(folder, start);
  const names: string[] = [];
  let seen = 0;
  await walk(start, glob.includes("**") ? Infinity : maxDepth ?? Infinity, (path, isFolder) => {
    if (++seen > mostEntries) throw refused(glob, `it has to look at more than ${mostEntries} files and folders`);
    if (!isFolder) names.push(relative(folder, path));
  });
  const found = matching(names, glob).sort((a, b) => (a < b ? -1 : 1));
  const real = new Set<string>();
  for (const name of found) real.add(await inside(folder, join(folder, name)));
  return [...real];
}

async function walk(folder: string, depth: number, see: (path: string, isFolder: boolean) => void): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.name.startsWith(".")) continue;
    const path = join(folder, entry.name);
    if (entry.isFile() || entry.isSymbolicLink() || entry.isDirectory()) see(path, entry.isDirectory());
    if (entry.isDirectory() && depth > 1) await walk(path, depth - 1, see);
  }
}

/** A pattern of many stars may take for ever. */
function matching(names: readonly string[], glob: string): string[] {
  try {
    return bounded(leastMilliseconds + names.length * millisecondsEach, () => {
      const matches = picomatch(glob, options);
      return names.filter((name) => matches(sep === "/" ? name : name.replaceAll(sep, "/")));
    });
  } catch (error) {
    throw refused(glob, error instanceof Error ? error.message : String(error));
  }
}

/** A path's real one. Errors: TL_DATA_OUTSIDE where links lead out of the folder. */
async function inside(folder: string, path: string): Promise<string> {
  const real = await realpath(path);
  if (!isInside(folder, real)) throw outside(path, real);
  return real;
}

function outside(path: string, real: string): TruelineError {
  return new TruelineError("TL_DATA_OUTSIDE", `${path} leads out of the folder it is looked for in, to ${real}.`, {
    hint: "Copy what is there, or name it by its absolute path and allow its folder with --allow-path.",
  });
}

function refused(glob: string, why: string): TruelineError {
  return new TruelineError("TL_DATA_UNREADABLE", `The pattern ${glob.slice(0, 100)} is refused: ${why}.`, { hint: "Name the files, or their folder." });
}
