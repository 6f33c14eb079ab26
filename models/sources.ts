import { TruelineError } from "../foundation/errors.js";
import { hashFile } from "../foundation/files.js";
import type { PlanInput } from "../schemas/plan.js";
import { digestModelDirectory } from "./directory-digest.js";

/** A file or model directory outside the store that a planned stage reads. */
export interface Source {
  readonly kind: "file" | "directory";
  readonly path: string;
  /** What it is in the spec, in words. */
  readonly name: string;
  /** Digest that it had when the plan was made. */
  readonly digest: string;
}

/** What an input of a stage, named `field`, reads from outside the store; nothing where it comes from other stages. */
export function sourcesOf(field: string, input: PlanInput): Source[] {
  switch (input.from) {
    case "data": return input.entries.map(({ name, path, digest }) => ({ kind: "file", path, digest, name: `the data entry "${name}"` }));
    case "directory": return [{ kind: "directory", path: input.path, digest: input.digest, name: `the model of \`${field}\`` }];
    case "stage": case "scratch": return [];
  }
}

/** The digest that a source has now; undefined where it is no longer there. */
export async function digestNow({ kind, path }: Source): Promise<string | undefined> {
  try {
    return kind === "file" ? (await hashFile(path)).sha256 : (await digestModelDirectory(path)).digest;
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return undefined;
    throw error;
  }
}

/** Errors: TL_STAGE_INPUT_CHANGED when a source is not what the plan was made with. `now` is its digest. */
export function refuseChanged(source: Source, now: string | undefined): void {
  if (now === source.digest) return;
  const what = now === undefined ? "is no longer there" : "has changed since the run was planned";
  throw new TruelineError("TL_STAGE_INPUT_CHANGED", `${source.path}, ${source.name}, ${what}.`, {
    hint: "Restore it and resume, or go on with what is there now: `trueline resume RUN --spec SPEC` says what that invalidates.",
  });
}
