import { basename, join } from "node:path";
import { resolveDataPath, type PathOptions } from "../data/paths.js";
import { TruelineError } from "../foundation/errors.js";
import { type AdaptableLayer, adaptableLayers } from "../models/adapter.js";
import { describeAdapter, isAdapter, readAdapter } from "../models/adapter-files.js";
import { describeModel, type Head } from "../models/configuration.js";
import { digestModelDirectory } from "../models/directory-digest.js";
import { outlineModel, type ModelOutline } from "../models/outline.js";
import { headShapes } from "../models/parameters.js";
import type { ArtifactType } from "../schemas/stages/table.js";
import type { Draft } from "./draft.js";
import type { Fault } from "./fault.js";
import { fileDigest } from "./file-digest.js";

interface DirectoryFact {
  /** Absolute, free of links. */
  readonly path: string;
  /** Of the files that count. */
  readonly digest: string;
}

/** What the planner has to know of a model directory. */
export interface ModelFact extends DirectoryFact {
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
  /** Of an adapter's directory: the whole model that it stands on, and the adapters between, the lowest first. */
  readonly under?: readonly DirectoryFact[];
  /** What an adapter calls the model under it, where that does not fit the one that the spec names. */
  readonly calledBase?: string;
}

type LookUp = <Fact>(path: Fault["path"], find: () => Promise<Fact>) => Promise<Fact | undefined>;

/** The model directories that a spec names: whole models first, then adapters on them. One whose base has a fault is left out: that fault is told. */
export async function collectModels(draft: Draft, options: PathOptions, lookUp: LookUp): Promise<Map<string, ModelFact>> {
  const models = new Map<string, ModelFact>();
  const baseOf = (name: string): string | undefined => {
    const entry = draft.models.get(name);
    return entry !== undefined && "path" in entry ? entry.base : undefined;
  };
  const look = async (name: string, find: () => Promise<ModelFact>): Promise<void> => {
    const found = await lookUp(["models", name, "path"], find);
    if (found) models.set(name, found);
  };
  const waiting = new Map([...draft.paths.models].filter(([name]) => baseOf(name) !== undefined));
  for (const [name, path] of draft.paths.models) if (!waiting.has(name)) await look(name, () => wholeModel(path, options));
  for (let before = Infinity; waiting.size < before;) {
    before = waiting.size;
    for (const [name, path] of [...waiting]) {
      const base = models.get(baseOf(name) ?? "");
      if (base === undefined) continue;
      waiting.delete(name);
      await look(name, () => adapterOn(base, path, options));
    }
  }
  return models;
}

const typeOfHead = { language: "language-model", score: "reward-model", value: "value-model" } as const satisfies Record<Head, ArtifactType>;

/** Each file that counts is looked up like a path of the spec, so that none is a link that leads out. */
async function digested(path: string, options: PathOptions): Promise<DirectoryFact & { readonly files: ReadonlyMap<string, string> }> {
  const directory = await resolveDataPath(path, { ...options, kind: "directory" });
  const { digest, files } = await digestModelDirectory(directory, async (file) => fileDigest(await resolveDataPath(join(path, basename(file)), options)));
  return { path: directory, digest, files };
}

function need(directory: string, files: ReadonlyMap<string, string>, name: RegExp, what: string): void {
  if (![...files.keys()].some((each) => name.test(each))) throw new TruelineError("TL_MODEL_MISSING", `${directory} has no ${what}.`);
}

async function wholeModel(path: string, options: PathOptions): Promise<ModelFact> {
  const { path: directory, digest, files } = await digested(path, options);
  if (await isAdapter(directory)) {
    const { base } = await describeAdapter(directory);
    throw new TruelineError("TL_MODEL_MISSING", `${directory} holds an adapter, not the model under it.`, {
      hint: `Name the entry of \`models\` with that model in \`base\`${base === undefined ? "" : `; adapter_config.json calls it ${JSON.stringify(base)}`}.`,
    });
  }
  const { head, context, layers, refusal, ...tokens } = await outlineModel(directory);
  need(directory, files, /\.safetensors$/, "weights (*.safetensors)");
  need(directory, files, /^tokenizer\.json$/, "tokenizer.json");
  return { path: directory, digest, type: typeOfHead[head], context, tokenizer: files.get("tokenizer.json")!, layers, padding: paddingOf(tokens), refusal };
}

/** An adapter is what its base is, but for the head that it may bring. @throws also TL_MODEL_TENSORS where it was made for another model. */
async function adapterOn({ under = [], calledBase: _, ...base }: ModelFact, path: string, options: PathOptions): Promise<ModelFact> {
  const { path: directory, digest, files } = await digested(path, options);
  if (!await isAdapter(directory)) {
    throw new TruelineError("TL_MODEL_UNSUPPORTED", `${directory} holds no adapter, and \`base\` names the model under one.`, {
      hint: "Leave `base` out, or name a folder with adapter_config.json and adapter_model.safetensors.",
    });
  }
  const adapter = await describeAdapter(directory);
  need(directory, files, /^adapter_model\.safetensors$/, "weights (adapter_model.safetensors)");
  const [whole] = [...under, base];
  if (base.refusal === undefined) {
    const { configuration } = await describeModel(whole!.path);
    await readAdapter(directory, adapter, adaptableLayers(configuration), headShapes(configuration, adapter.head));
  }
  return {
    ...base, path: directory, digest, tokenizer: files.get("tokenizer.json") ?? base.tokenizer, type: adapter.head === "language" ? base.type : typeOfHead[adapter.head],
    under: [...under, { path: base.path, digest: base.digest }], ...(adapter.base !== undefined && !isCalled(base.path, adapter.base) && { calledBase: adapter.base }),
  };
}

/** Whether a name such as "Qwen/Qwen2-0.5B", or a path, ends as the directory's does. Of digests, by which Trueline names artifacts, that can't be told. */
const isCalled = (directory: string, name: string): boolean => /^[0-9a-f]{64}$/.test(name) || basename(name).toLowerCase() === basename(directory).toLowerCase();

const paddingOf = ({ padToken, endTokens }: Pick<ModelOutline, "padToken" | "endTokens">): ModelFact["padding"] =>
  padToken === undefined ? "none" : endTokens.includes(padToken) ? "end" : "own";
