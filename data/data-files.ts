import { stat } from "node:fs/promises";
import { isAbsolute, join, normalize, relative } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import { isGlob, listFiles, literalGlob, type FileList } from "../foundation/file-list.js";
import { compressionEndings } from "./containers/bytes.js";
import { dataEndings } from "./container.js";
import { allowedFolder, missing, realPath, resolveDataPath, searched, type PathOptions } from "./paths.js";

/** The files of a data entry in their order, each once, and where those were looked for that it does not name one by one. */
export interface DataFiles {
  readonly files: readonly string[];
  readonly lists: readonly FileList[];
}

/** The data files of a folder itself. */
const folderGlob = `*.{${dataEndings.map((ending) => ending.slice(1)).join(",")}}{${["", ...compressionEndings].join(",")}}`;

/**
 * The files that a data entry's path names: a file, a folder, a pattern (see `listFiles`), or a list of these. Each is
 * looked for as `resolveDataPath` does. What is there is what is meant, though it be written like a pattern.
 *
 * Errors: those of `resolveDataPath` and `listFiles`; TL_DATA_MISSING where a folder or a pattern has no file.
 */
export async function resolveDataFiles(path: string | readonly string[], options: Omit<PathOptions, "kind">): Promise<DataFiles> {
  const found: DataFiles[] = [];
  for (const one of [path].flat()) found.push(await resolveOne(one, options));
  return { files: [...new Set(found.flatMap(({ files }) => files))], lists: found.flatMap(({ lists }) => lists) };
}

async function resolveOne(path: string, options: Omit<PathOptions, "kind">): Promise<DataFiles> {
  let real: string;
  try {
    real = await resolveDataPath(path, { ...options, kind: "any" });
  } catch (error) {
    if (!(error instanceof TruelineError && error.code === "TL_DATA_MISSING" && isGlob(path) && !path.includes("\0"))) throw error;
    return matched(path, options);
  }
  if ((await stat(real)).isFile()) return { files: [real], lists: [] };
  const list = { folder: real, glob: folderGlob };
  const files = await listFiles(list);
  if (files.length === 0) {
    throw new TruelineError("TL_DATA_MISSING", `The folder ${path} (${real}) holds no data file.`, {
      hint: `Files of it count that end in ${dataEndings.join(", ")}, with ${compressionEndings.join(" or ")} behind it or not; name those of folders below by a pattern, such as ${join(path, "**", "*.jsonl")}.`,
    });
  }
  return { files, lists: [list] };
}

/** The first place in which a file matches. */
async function matched(path: string, options: Omit<PathOptions, "kind">): Promise<DataFiles> {
  const places = await placesOf(path, options);
  for (const list of places) {
    const files = await listFiles(list).catch((error: unknown) => {
      if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return [];
      throw error;
    });
    if (files.length > 0) return { files, lists: [list] };
  }
  throw missing(path, places.map(({ folder, glob }) => join(folder, glob)));
}

async function placesOf(path: string, options: Omit<PathOptions, "kind">): Promise<FileList[]> {
  if (isAbsolute(path)) {
    const { written, real } = await allowedFolder(path, options.allowPaths);
    const below = [written, real].flatMap((folder) => folder === undefined ? [] : [relative(folder, path)]).find((way) => !way.startsWith(".."));
    return [{ folder: real ?? written, glob: below ?? literalGlob(path) }];
  }
  const places = searched(path, { ...options });
  return Promise.all(places.map(async ({ base, below }) => ({ folder: await realPath(base) ?? base, glob: normalize(below) })));
}
