import { dirname, join } from "node:path";
import { checkDataset } from "../data/dataset.js";
import { resolveDataFiles } from "../data/data-files.js";
import { resolveDataPath, type PathOptions } from "../data/paths.js";
import { digestOf } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import type { FileList } from "../foundation/file-list.js";
import { filesOf } from "../schemas/plan.js";
import type { Draft } from "./draft.js";
import type { Fault } from "./fault.js";
import { fileDigest } from "./file-digest.js";
import { membersOf } from "./members.js";
import { collectModels, type ModelFact } from "./model-facts.js";
import { checkModule } from "./module-check.js";
import { rewardModules } from "./rewards.js";

/** What the planner has to know of the world outside the spec. */
export interface Facts {
  /** Files of data entries, by entry. */
  readonly data: ReadonlyMap<string, DataFact>;
  /** Model directories, by entry of `models`. */
  readonly models: ReadonlyMap<string, ModelFact>;
  /** Modules that score answers, by stage and the input's name. */
  readonly modules: ReadonlyMap<string, ReadonlyMap<string, FileFact>>;
  /** Files of answers that stages of kind evaluate name as baseline, by stage. */
  readonly answers: ReadonlyMap<string, FileFact>;
}

export interface FileFact {
  /** Absolute, free of links. */
  readonly path: string;
  /** SHA-256 of the content. */
  readonly digest: string;
}

/** A data entry's file or, where it does not name one file by its path, its `files`, whose digests `digest` is of. */
export interface DataFact extends FileFact {
  readonly files?: FileFact[];
  /** Where they were found. */
  readonly lists?: FileList[];
}

export interface CollectedFacts {
  readonly facts: Facts;
  readonly faults: readonly Fault[];
}

interface Places {
  readonly specPath: string;
  readonly allowPaths: readonly string[];
}

/** Looks up and digests everything outside that a spec names. What is missing or unusable comes back as faults. */
export async function collectFacts(draft: Draft, { specPath, allowPaths }: Places): Promise<CollectedFacts> {
  const faults: Fault[] = [];
  const options = { specDirectory: dirname(specPath), allowPaths };
  const lookUp = async <Fact>(path: Fault["path"], find: () => Promise<Fact>): Promise<Fact | undefined> => {
    try {
      return await find();
    } catch (error) {
      const known = error instanceof TruelineError ? error : unreadable(error);
      faults.push({ code: known.code, path, message: known.message, ...(known.hint !== undefined && { hint: known.hint }) });
      return undefined;
    }
  };
  const file = async (path: string): Promise<FileFact> => {
    const real = await resolveDataPath(path, options);
    return { path: real, digest: await fileDigest(real) };
  };
  const data = new Map<string, DataFact>();
  for (const [name, path] of draft.paths.data) {
    const found = await lookUp(["data", name, "path"], async () => {
      const fact = await dataFact(path, options);
      const entry = draft.data.get(name);
      // A wrong format or an empty file is told here, before a stage has waited for its turn to fail.
      const files = filesOf(fact);
      if (entry) for (const { path: one } of files) await checkDataset({ name, format: entry.format, path: one, ...(files.length === 1 && { maxBadShare: entry.maxBadShare }) });
      return fact;
    });
    if (found) data.set(name, found);
  }
  const models = await collectModels(draft, options, lookUp);
  const answers = new Map<string, FileFact>();
  for (const [name, stage] of draft.stages) {
    const path = membersOf(stage?.written["baseline"])["answers"];
    if (stage?.kind !== "evaluate" || typeof path !== "string") continue;
    const found = await lookUp(["stages", name, "baseline", "answers"], () => file(path));
    if (found) answers.set(name, found);
  }
  const modules = new Map<string, ReadonlyMap<string, FileFact>>();
  for (const [name, stage] of draft.stages) {
    const found = new Map<string, FileFact>();
    for (const { way, input, path } of rewardModules(stage?.written["reward"])) {
      const fact = await lookUp(["stages", name, "reward", ...way], async () => {
        const found = await file(path);
        await checkModule(found.path, found.digest);
        return found;
      });
      if (fact) found.set(input, fact);
    }
    if (found.size > 0) modules.set(name, found);
  }
  return { facts: { data, models, modules, answers }, faults };
}

/** One file is the same however it was named: its digest is the entry's. */
async function dataFact(path: string | readonly string[], options: PathOptions): Promise<DataFact> {
  const { files, lists } = await resolveDataFiles(path, options);
  const facts: FileFact[] = [];
  for (const one of files) facts.push({ path: one, digest: await fileDigest(one) });
  const [first, ...others] = facts;
  if (typeof path === "string" && lists.length === 0) return first!;
  return {
    path: lists.length === 0 ? files.join(", ") : lists.map(({ folder, glob }) => join(folder, glob)).join(", "),
    digest: others.length === 0 ? first!.digest : digestOf(facts.map(({ digest }) => digest)),
    files: facts, ...(lists.length > 0 && { lists: [...lists] }),
  };
}

/** A refusal of the file system as a fault of the spec; anything else is ours. */
function unreadable(error: unknown): TruelineError {
  if (!(error instanceof Error) || !("syscall" in error)) throw error;
  return new TruelineError("TL_DATA_UNREADABLE", error.message, { cause: error });
}
