import { constants } from "node:fs";
import { access, realpath, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve, sep } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import { isInside } from "../foundation/inside.js";
import { packageData } from "./package.js";

export interface PathOptions {
  /** Directory of the spec that names the path. */
  readonly specDirectory: string;
  /** Directories that absolute paths may lie in (`--allow-path`). */
  readonly allowPaths: readonly string[];
  /** What the path has to be; a model is a directory. */
  readonly kind?: "file" | "directory" | "any";
}

/** Folders that ship with the package, by the first part of the path that names them: `sample/dialogues.jsonl`. */
const shippedFolders: ReadonlyMap<string, string> = new Map([["sample", "sample/files"]]);

/** A folder that is searched, and the path below it. */
export interface Place {
  readonly base: string;
  readonly below: string;
}

/**
 * The real path, free of links, of a file that a spec names. A relative path is looked for beside the spec, then in the
 * folder `TRUELINE_DATA`, then in the folders that ship with the package (`sample/…`); neither `..` nor a link may lead
 * out of the folder in which it is found. An absolute path has to lie in one of `allowPaths`, links followed.
 *
 * Errors: TL_DATA_MISSING with the places looked in, TL_DATA_OUTSIDE, TL_DATA_UNREADABLE.
 */
export async function resolveDataPath(path: string, options: PathOptions): Promise<string> {
  if (path.includes("\0")) throw new TruelineError("TL_DATA_MISSING", `${JSON.stringify(path)} is no path: it holds a NUL character.`);
  return isAbsolute(path) ? resolveAbsolute(path, options) : resolveRelative(path, options);
}

/** The allowed folder that an absolute path lies in, as written and without links. Errors: TL_DATA_OUTSIDE. */
export async function allowedFolder(path: string, allowPaths: readonly string[]): Promise<{ readonly written: string; readonly real: string | undefined }> {
  for (const folder of allowPaths) {
    const [written, real] = [resolve(folder), await realPath(folder)];
    if (isInside(written, resolve(path)) || (real !== undefined && isInside(real, resolve(path)))) return { written, real };
  }
  throw new TruelineError("TL_DATA_OUTSIDE", `${path} is an absolute path, and no allowed folder holds it.`, {
    hint: `Write it relative to the spec, or allow its folder: --allow-path ${dirname(path)}`,
  });
}

async function resolveAbsolute(path: string, options: PathOptions): Promise<string> {
  // Both the path as written and its real path are checked, so that nothing outside is even probed.
  await allowedFolder(path, options.allowPaths);
  const allowed = await Promise.all(options.allowPaths.map(async (folder) => ({ real: await realPath(folder) })));
  const real = await realPath(path);
  if (real === undefined) throw missing(path, [path]);
  if (!allowed.some((folder) => folder.real !== undefined && isInside(folder.real, real))) throw leaves(path, real);
  return usable(path, real, options);
}

async function resolveRelative(path: string, options: PathOptions): Promise<string> {
  const places = searched(path, options);
  for (const { base, below } of places) {
    const wanted = resolve(base, below);
    const [realBase, real] = await Promise.all([realPath(base), realPath(wanted)]);
    if (realBase === undefined || real === undefined) continue;
    if (!isInside(realBase, real)) throw leaves(path, real);
    return usable(path, real, options);
  }
  throw missing(path, places.map(({ base, below }) => join(base, below)));
}

/** Where a relative path is looked for, in order. Errors: TL_DATA_OUTSIDE where it leads out of one. */
export function searched(path: string, options: PathOptions): Place[] {
  const places: Place[] = [{ base: resolve(options.specDirectory), below: path }];
  const folder = process.env["TRUELINE_DATA"];
  if (folder !== undefined && folder !== "") places.push({ base: resolve(folder), below: path });
  const [first = "", ...rest] = path.split(/[/\\]/);
  const shipped = shippedFolders.get(first);
  if (shipped !== undefined && rest.length > 0) places.push({ base: join(packageData(), shipped), below: rest.join(sep) });
  if (places.some(({ base, below }) => !isInside(resolve(base), resolve(base, below)))) {
    throw new TruelineError("TL_DATA_OUTSIDE", `${path} leads out of the folder it is looked for in.`, {
      hint: "Put the file beside the spec or below it, or in the folder TRUELINE_DATA; an absolute path needs --allow-path.",
    });
  }
  return places;
}

/** Undefined where nothing is. */
export async function realPath(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR")) return undefined;
    throw new TruelineError("TL_DATA_UNREADABLE", `${path} can't be looked up.`, { cause: error });
  }
}

async function usable(path: string, real: string, { kind = "file" }: PathOptions): Promise<string> {
  const found = await stat(real);
  const is = { file: found.isFile(), directory: found.isDirectory(), any: found.isFile() || found.isDirectory() };
  if (!is[kind]) {
    throw new TruelineError("TL_DATA_UNREADABLE", `${path} (${real}) is no ${kind === "directory" ? "directory" : "regular file"}.`);
  }
  try {
    await access(real, constants.R_OK);
  } catch (error) {
    throw new TruelineError("TL_DATA_UNREADABLE", `${path} (${real}) may not be read.`, { cause: error, hint: "Look at its permissions." });
  }
  return real;
}

export function missing(path: string, places: readonly string[]): TruelineError {
  return new TruelineError("TL_DATA_MISSING", `${path} was not found. Looked for ${places.join(", ")}.`, { hint: placeFor(path) });
}

/** Where what was not found belongs. */
function placeFor(path: string): string {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(path)) return "A path leads to a file of this machine, and nothing is downloaded: fetch it, and name the file.";
  if (path.startsWith("~")) return "`~` has no meaning here: write the path beside the spec, or the whole one with --allow-path.";
  return process.env["TRUELINE_DATA"] === undefined
    ? "Put it beside the spec, or set TRUELINE_DATA to the folder that holds it; nothing is downloaded."
    : "Put it beside the spec, or in the folder TRUELINE_DATA; nothing is downloaded.";
}

function leaves(path: string, real: string): TruelineError {
  return new TruelineError("TL_DATA_OUTSIDE", `${path} is a link that leads out of its folder, to ${real}.`, {
    hint: "Copy the file, or name it by its absolute path and allow its folder with --allow-path.",
  });
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
