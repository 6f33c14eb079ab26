import { TruelineError } from "../foundation/errors.js";
import { listFiles, type FileList } from "../foundation/file-list.js";
import { hashFile } from "../foundation/files.js";
import { filesOf, type FileEntry, type PlanInput } from "../schemas/plan.js";
import { digestModelDirectory } from "./directory-digest.js";

/** A file or model directory outside the store that a planned stage reads, or the names of files that a pattern matches. */
export type Source = {
  readonly path: string;
  /** What it is in the spec, in words. */
  readonly name: string;
  /** Digest that it had when the plan was made; of names the names, a line each. */
  readonly digest: string;
} & ({ readonly kind: "file" | "directory" } | { readonly kind: "names"; readonly lists: readonly FileList[] });

/** What an input of a stage, named `field`, reads from outside the store; nothing where it comes from other stages. */
export function sourcesOf(field: string, input: PlanInput): Source[] {
  switch (input.from) {
    case "data": return input.entries.flatMap((entry) => ("stage" in entry ? [] : entrySources(entry)));
    case "directory": return [
      { kind: "directory", path: input.path, digest: input.digest, name: `the model of \`${field}\`` },
      ...(input.under ?? []).map(({ path, digest }): Source => ({ kind: "directory", path, digest, name: `the model under the adapter of \`${field}\`` })),
    ];
    case "file": return [{ kind: "file", path: input.path, digest: input.digest, name: `the module of \`${field}\`` }];
    case "stage": case "scratch": return [];
  }
}

function entrySources(entry: FileEntry): Source[] {
  const name = `the data entry "${entry.name}"`;
  const files = filesOf(entry);
  return [
    ...files.map(({ path, digest }): Source => ({ kind: "file", path, digest, name })),
    ...(entry.lists === undefined ? [] : [{ kind: "names" as const, path: entry.path, name, lists: entry.lists, digest: namesOf(files.map(({ path }) => path)) }]),
  ];
}

/** Names in an order of their own: another order of the same files changes their digests' order, which the key tells. */
const namesOf = (paths: readonly string[]): string => [...new Set(paths)].sort().join("\n");

/** The digest that a source has now; undefined where it is no longer there. */
export async function digestNow(source: Source): Promise<string | undefined> {
  const { path } = source;
  try {
    switch (source.kind) {
      case "file": return (await hashFile(path)).sha256;
      case "directory": return (await digestModelDirectory(path)).digest;
      case "names": return await namesNow(source.digest, source.lists);
    }
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return undefined;
    throw error;
  }
}

/** Errors: TL_STAGE_INPUT_CHANGED when a source is not what the plan was made with. `now` is its digest. */
export function refuseChanged(source: Source, now: string | undefined): void {
  if (now === source.digest) return;
  if (source.kind === "names" && now !== undefined) refuseAdded(source, now);
  const what = now === undefined ? "is no longer there" : "has changed since the run was planned";
  throw new TruelineError("TL_STAGE_INPUT_CHANGED", `${source.path}, ${source.name}, ${what}.`, {
    hint: "Restore it and resume, or go on with what is there now: `trueline resume RUN --spec SPEC` says what that invalidates.",
  });
}

/** Files that are there no more are told of one by one; only what is new is looked for. */
async function namesNow(before: string, lists: readonly FileList[]): Promise<string> {
  const found = await Promise.all(lists.map(listFiles));
  return namesOf([...before.split("\n"), ...found.flat()]);
}

function refuseAdded({ digest, name }: Source, now: string): never {
  const known = new Set(digest.split("\n"));
  const added = now.split("\n").filter((path) => !known.has(path));
  throw new TruelineError("TL_STAGE_INPUT_CHANGED", `${added.join(", ")} ${added.length === 1 ? "was" : "were"} added to ${name} since the run was planned.`, {
    hint: "Move it away and resume, or go on with what is there now: `trueline resume RUN --spec SPEC` says what that invalidates.",
  });
}

/** Errors: TL_STAGE_INPUT_CHANGED when the model directory that an adapter stands on is not the one that it was trained on. */
export async function checkOutside({ under = [], ...top }: Outside): Promise<void> {
  for (const { path, digest } of [...under, top]) {
    const source: Source = { kind: "directory", path, digest, name: "the model that an adapter stands on" };
    refuseChanged(source, await digestNow(source));
  }
}

interface Directory {
  readonly path: string;
  readonly digest: string;
}

/** A model's directory outside the store; of an adapter's, with those under it. */
type Outside = Directory & { readonly under?: readonly Directory[] | undefined };
