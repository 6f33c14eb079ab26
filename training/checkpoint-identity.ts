import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { canonicalJson } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import { hashFile } from "../foundation/files.js";
import type { NewAdapter } from "../backends/backend.js";
import { describeAdapter } from "../models/adapter-files.js";
import { describeModel, type Head, type ModelConfiguration, type ModelDescription } from "../models/configuration.js";
import { outlineModel, type ModelOutline } from "../models/outline.js";
import type { InputArtifact } from "./trainer.js";

const IDENTITY_FILE = "stage.json";

const identitySchema = z.strictObject({
  kind: z.string(),
  /** Version of the kind's implementation. */
  version: z.number().int(),
  /** SHA-256 of tokenizer.json, by the input whose model reads with it. */
  tokenizers: z.record(z.string(), z.string()),
});
/** What a checkpoint was made by, as far as its weights do not tell. */
export type StageIdentity = z.output<typeof identitySchema>;

export async function identityOf(kind: string, version: number, artifacts: Readonly<Record<string, InputArtifact>>): Promise<StageIdentity> {
  const tokenizers = await Promise.all(Object.entries(artifacts).map(async ([name, { directory }]): Promise<[string, string][]> => {
    const found = await hashFile(join(directory, "tokenizer.json")).catch(() => undefined);
    return found === undefined ? [] : [[name, found.sha256]];
  }));
  return { kind, version, tokenizers: Object.fromEntries(tokenizers.flat()) };
}

export async function writeIdentity(directory: string, identity: StageIdentity): Promise<void> {
  await writeFile(join(directory, IDENTITY_FILE), `${canonicalJson(identity)}\n`, { flush: true });
}

/**
 * Refuses a checkpoint of another stage kind or version, or one that was made with other tokenizers. One that says nothing
 * of itself was found by its stage's key, and is taken at that.
 * @throws TL_TRAIN_CHECKPOINT naming what differs.
 */
export async function checkIdentity(directory: string, now: StageIdentity): Promise<void> {
  const path = join(directory, IDENTITY_FILE);
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return;
  const before = identitySchema.safeParse(parse(text)).data;
  if (before === undefined) throw mismatch(directory, `${IDENTITY_FILE} does not say which stage made it`);
  if (before.kind !== now.kind) throw mismatch(directory, `it was made by a ${before.kind} stage, and this one is ${now.kind}`);
  if (before.version !== now.version) throw mismatch(directory, `it was made by version ${before.version} of ${now.kind}, and this is version ${now.version}`);
  for (const [name, digest] of Object.entries(now.tokenizers)) {
    const other = before.tokenizers[name];
    if (other !== digest) {
      throw mismatch(directory, `the tokenizer of \`${name}\` is ${other?.slice(0, 12) ?? "missing"} in the checkpoint, ${digest.slice(0, 12)} in the stage's model`);
    }
  }
}

/** Fields that decide what a model computes with its weights, and their shapes. */
const fields = [
  "family", "vocabulary", "hidden", "layers", "heads", "keyValueHeads", "headSize", "intermediate", "context", "ropeTheta", "ropeScaling", "window", "normEpsilon",
  "tiedEmbeddings", "attentionBias", "outputBias", "mlpBias",
] as const satisfies readonly (keyof ModelConfiguration)[];

/**
 * Refuses a checkpoint's model that is built otherwise than the stage's own.
 * @param model its folder in the checkpoint. @param from directory of the model that the stage starts from.
 * @throws TL_TRAIN_CHECKPOINT naming every field that differs.
 */
export async function checkModel(checkpoint: string, model: string, head: Head, from: string): Promise<void> {
  const [own, { refusal }] = [join(checkpoint, model), await outlineModel(from)];
  const saved = await orMismatch<ModelDescription | ModelOutline>(checkpoint, model, () => (refusal === undefined ? describeModel(own) : outlineModel(own)));
  if (saved.head !== head) throw mismatch(checkpoint, `its ${model} has a ${saved.head} head, and the stage trains a ${head} head`);
  // of models that only the torch backend knows, it compares the tensors' shapes itself
  if (!("configuration" in saved)) return;
  const { configuration } = await describeModel(from);
  const shown = (value: unknown): string => (typeof value === "object" ? canonicalJson(value) : String(value));
  const differences = fields.filter((field) => shown(saved.configuration[field]) !== shown(configuration[field]))
    .map((field) => `${field} is ${shown(saved.configuration[field])} in the checkpoint, ${shown(configuration[field])} in the stage's model`);
  if (differences.length > 0) throw mismatch(checkpoint, `${model}: ${differences.join("; ")}`);
}

/**
 * Refuses a checkpoint's adapter of another form than the stage trains.
 * @throws TL_TRAIN_CHECKPOINT naming what differs.
 */
export async function checkAdapter(checkpoint: string, model: string, head: Head, { rank, alpha, targets }: Pick<NewAdapter, "rank" | "alpha" | "targets">): Promise<void> {
  const saved = await orMismatch(checkpoint, model, () => describeAdapter(join(checkpoint, model)));
  if (saved.head !== head) throw mismatch(checkpoint, `its ${model} has a ${saved.head} head, and the stage trains a ${head} head`);
  const pairs = [["rank", saved.rank, rank], ["alpha", saved.alpha, alpha], ["targets", saved.targets.join(", "), targets === "all-linear" ? saved.targets.join(", ") : targets.join(", ")]] as const;
  const differences = pairs.filter(([, before, now]) => before !== now).map(([name, before, now]) => `${name} is ${before} in the checkpoint's adapter, ${now} in the stage`);
  if (differences.length > 0) throw mismatch(checkpoint, `${model}: ${differences.join("; ")}`);
}

const ofFiles = /^TL_MODEL_|^TL_BACKEND_(OPTIMIZER|HEAD)_MISSING$/;

/** Does a piece of loading; what it finds wrong with the files comes out as a fault of the checkpoint. */
export async function orMismatch<T>(checkpoint: string, model: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (error instanceof TruelineError && ofFiles.test(error.code)) throw mismatch(checkpoint, `${model}: ${error.message}`, error);
    throw error;
  }
}

function mismatch(directory: string, what: string, cause?: unknown): TruelineError {
  return new TruelineError("TL_TRAIN_CHECKPOINT", `The checkpoint ${directory} can't be continued from: ${what}.`, {
    hint: "Restore the folder that belongs to this run, or compute the stage anew: `trueline resume RUN --from STAGE`.", cause,
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
