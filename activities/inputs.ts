import { hostname } from "node:os";
import { join } from "node:path";
import { combineDatasets, readDataset, type Dataset } from "../data/dataset.js";
import { madeSource } from "../data/made-data.js";
import { TruelineError } from "../foundation/errors.js";
import { makeFolder } from "../foundation/files.js";
import { tokenizerDirectory } from "../models/adapter-files.js";
import { initializeModel } from "../models/initialize.js";
import { scratchConfiguration } from "../models/scratch.js";
import { checkOutside, digestNow, refuseChanged, sourcesOf } from "../models/sources.js";
import { Tokenizer } from "../models/tokenizer.js";
import { artifactTypes, manifestSchema } from "../schemas/artifact.js";
import type { PlanInput } from "../schemas/plan.js";
import { scratchSizesSchema } from "../schemas/spec.js";
import { readIfThere } from "../store/files.js";
import { weightsOf } from "../store/adapter-base.js";
import { parseJson } from "../store/records.js";
import type { InputArtifact, StageData } from "../training/trainer.js";
import type { Attempt } from "./stage.js";

type From<Where extends PlanInput["from"]> = Extract<PlanInput, { from: Where }>;

/**
 * The artifacts and models that a stage names, each in a directory; models from scratch are written into the attempt's own.
 * Errors: TL_STAGE_INPUT_CHANGED when a model directory is not the one planned with.
 */
export async function readArtifacts(attempt: Pick<Attempt, "task" | "store" | "scratch">): Promise<Record<string, InputArtifact>> {
  const found: Record<string, InputArtifact> = {};
  for (const [name, input] of Object.entries(attempt.task.stage.inputs)) {
    switch (input.from) {
      case "stage":
        found[name] = await finishedArtifact(attempt, input.stage);
        break;
      case "directory":
        await checkUnchanged(name, input);
        found[name] = await directoryModel(input);
        break;
      case "scratch":
        found[name] = await scratchModel(attempt, name, input);
        break;
      case "data": case "file":
        break;
    }
  }
  return found;
}

/** Files of the user's that a stage runs. Errors: TL_STAGE_INPUT_CHANGED when one is not the one planned with. */
export async function readFiles({ task }: Pick<Attempt, "task">): Promise<Record<string, { readonly path: string }>> {
  const found: Record<string, { readonly path: string }> = {};
  for (const [name, input] of Object.entries(task.stage.inputs)) {
    if (input.from !== "file") continue;
    await checkUnchanged(name, input);
    found[name] = { path: input.path };
  }
  return found;
}

/** The data that a stage names, read and split. Errors: TL_STAGE_INPUT_CHANGED when a file is not the one planned with. */
export async function readData(attempt: Pick<Attempt, "task" | "store" | "scratch"> & { readonly pulse: Pick<Attempt["pulse"], "phase"> }): Promise<Record<string, StageData>> {
  const found: Record<string, StageData> = {};
  for (const [name, input] of Object.entries(attempt.task.stage.inputs)) {
    if (input.from !== "data") continue;
    await checkUnchanged(name, input);
    const datasets: Dataset[] = [];
    for (const entry of input.entries) {
      const onProgress = (rows: number) => attempt.pulse.phase(`reading ${entry.name}: ${rows} rows`);
      const source = "stage" in entry ? madeSource(entry, (await finishedArtifact(attempt, entry.stage)).directory) : entry;
      datasets.push(await readDataset(source, [input.use], { folder: attempt.scratch, onProgress }));
    }
    found[name] = combineDatasets(datasets, input.weights);
  }
  return found;
}

/**
 * Hashes an artifact before it is read, or one file of it. A damaged one is set aside and the ledger told: resuming the run
 * makes it again. Errors: TL_STORE_CORRUPT.
 */
export async function checkWhole({ task, store }: Pick<Attempt, "task" | "store">, stage: string, digest: string, file?: string): Promise<void> {
  const fault = await store.artifacts.fault(digest, { deep: true, file });
  if (fault === undefined) return;
  await store.artifacts.setAside(digest);
  const key = (await store.runs.plan(task.run)).stages.find(({ name }) => name === stage)?.key;
  if (key !== undefined) {
    await store.ledger.append(task.run, { type: "stage-set-aside", stage, key, artifact: digest, actor: `worker ${process.pid}@${hostname()}`, reason: fault });
  }
  throw new TruelineError("TL_STORE_CORRUPT", `The artifact of stage "${stage}" is damaged: ${fault}.`, {
    hint: `It was set aside; \`trueline resume ${task.run}\` makes it again.`,
  });
}

async function finishedArtifact({ task, store }: Pick<Attempt, "task" | "store">, stage: string): Promise<InputArtifact> {
  const digest = task.artifacts[stage];
  if (digest === undefined) throw new TruelineError("TL_INTERNAL", `Stage "${task.stage.name}" was started before "${stage}" was finished.`);
  await checkWhole({ task, store }, stage, digest);
  const { type, metadata } = await store.artifacts.read(digest);
  const found = { type, directory: store.artifacts.directory(digest), base: { artifact: digest }, metadata };
  if (metadata.base === undefined) return found;
  const { outside, ...weights } = await weightsOf(store.artifacts, digest);
  if (outside !== undefined) await checkOutside(outside);
  return { ...found, weights };
}

/** A model from files. One that Trueline wrote has its manifest beside it, with what a reward model's users need. */
async function directoryModel({ path, type, digest, under }: From<"directory">): Promise<InputArtifact> {
  const text = await readIfThere(join(path, "artifact.json"));
  const manifest = text === undefined ? undefined : manifestSchema.safeParse(parseJson(text));
  if (manifest?.success === false) {
    throw new TruelineError("TL_MODEL_FILE", `${join(path, "artifact.json")} is no manifest of Trueline's.`, { hint: "Export the model again, or remove the file: a reward model's scores are then taken as they are." });
  }
  const metadata = manifest?.data.metadata ?? { figures: {} };
  const base = { path, digest, ...(under !== undefined && { under }) };
  if (under === undefined) return { type: artifactTypes.parse(type), directory: path, base, metadata };
  const [whole, ...adapters] = [...under, base].map((each) => each.path);
  return { type: artifactTypes.parse(type), directory: await tokenizerDirectory(path, under), weights: { directory: whole!, adapters }, base, metadata };
}

async function scratchModel(attempt: Pick<Attempt, "task" | "store" | "scratch">, name: string, input: From<"scratch">): Promise<InputArtifact> {
  const directory = join(attempt.scratch, "inputs", name);
  await makeFolder(directory);
  const tokenizer = await Tokenizer.load((await finishedArtifact(attempt, input.tokenizer)).directory);
  await initializeModel(directory, scratchConfiguration(scratchSizesSchema.parse(input.configuration), tokensOf(tokenizer)), attempt.task.stage.seed);
  await tokenizer.copyTo(directory);
  return { type: "language-model", directory, metadata: { figures: {} } };
}

const tokensOf = ({ vocabulary, beginToken, endTokens, padToken }: Tokenizer) => ({ vocabulary, beginToken, endTokens, padToken });

async function checkUnchanged(field: string, input: PlanInput): Promise<void> {
  for (const source of sourcesOf(field, input)) refuseChanged(source, await digestNow(source));
}
