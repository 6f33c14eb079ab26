import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { checkDataset } from "../data/dataset.js";
import { resolveDataFiles } from "../data/data-files.js";
import { resolveDataPath, type PathOptions } from "../data/paths.js";
import { digestOf } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import type { FileList } from "../foundation/file-list.js";
import { hashFile } from "../foundation/files.js";
import type { AdaptableLayer } from "../models/adapter.js";
import type { Head } from "../models/configuration.js";
import { digestModelDirectory } from "../models/directory-digest.js";
import { outlineModel, type ModelOutline } from "../models/outline.js";
import { filesOf } from "../schemas/plan.js";
import type { ArtifactType } from "../schemas/stages/table.js";
import type { Draft } from "./draft.js";
import type { Fault } from "./fault.js";
import { membersOf } from "./members.js";
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

export interface ModelFact extends FileFact {
  readonly type: ArtifactType;
  /** Longest row in tokens. */
  readonly context: number;
  /** Digest of the tokenizer's file. */
  readonly tokenizer: string;
  /** Those that an adapter may stand on; undefined where the embedded backend does not compute the model. */
  readonly layers: readonly AdaptableLayer[] | undefined;
  /** The token that configurations pad with: one of its own, one that ends answers too, or none. */
  readonly padding: "own" | "end" | "none";
  /** Why the embedded backend does not compute it; it may be one for the torch backend. */
  readonly refusal?: TruelineError;
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
      if (entry) for (const { path: one } of filesOf(fact)) await checkDataset({ name, format: entry.format, path: one });
      return fact;
    });
    if (found) data.set(name, found);
  }
  const models = new Map<string, ModelFact>();
  for (const [name, path] of draft.paths.models) {
    const found = await lookUp(["models", name, "path"], () => modelFact(path, options));
    if (found) models.set(name, found);
  }
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
      const fact = await lookUp(["stages", name, "reward", ...way], () => file(path));
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

const typeOfHead = { language: "language-model", score: "reward-model", value: "value-model" } as const satisfies Record<Head, ArtifactType>;

/** Each file that counts is looked up like a path of the spec, so that none is a link that leads out. */
async function modelFact(path: string, options: PathOptions): Promise<ModelFact> {
  const directory = await resolveDataPath(path, { ...options, kind: "directory" });
  const { digest, files } = await digestModelDirectory(directory, async (file) => fileDigest(await resolveDataPath(join(path, basename(file)), options)));
  const outline = await outlineModel(directory);
  for (const [needed, what] of [[/\.safetensors$/, "weights (*.safetensors)"], [/^tokenizer\.json$/, "tokenizer.json"]] as const) {
    if (![...files.keys()].some((name) => needed.test(name))) throw new TruelineError("TL_MODEL_MISSING", `${directory} has no ${what}.`);
  }
  return { path: directory, digest, type: typeOfHead[outline.head], context: outline.context, tokenizer: files.get("tokenizer.json")!, layers: outline.layers, padding: paddingOf(outline), refusal: outline.refusal };
}

const paddingOf = ({ padToken, endTokens }: ModelOutline): ModelFact["padding"] =>
  padToken === undefined ? "none" : endTokens.includes(padToken) ? "end" : "own";

const digests = new Map<string, Promise<string>>();

/** SHA-256 of a file's content; remembered inside the process while path, size and time of change stay the same. */
async function fileDigest(path: string): Promise<string> {
  const { size, mtimeMs, ino } = await stat(path);
  const name = `${path}\0${ino}\0${size}\0${mtimeMs}`;
  const digest = digests.get(name) ?? hashFile(path).then(({ sha256 }) => sha256);
  digests.set(name, digest);
  return digest;
}
