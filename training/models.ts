import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import type { Backend, LoadRequest, ModelInformation, NewAdapter, OptimizerSettings } from "../backends/backend.js";
import { canonicalJson } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import type { Tokenizer } from "../models/tokenizer.js";
import type { ArtifactMetadata } from "../schemas/artifact.js";
import { checkAdapter, checkModel, orMismatch } from "./checkpoint-identity.js";
import { learningRateAt, type Schedule } from "./schedule.js";
import type { InputArtifact, ModelWeights, StageData, TrainerSetup } from "./trainer.js";

const STATE_FILE = "state.json";

/** Parameters of stages that may train an adapter. */
type Adapting = { readonly lora?: Pick<NewAdapter, "rank" | "alpha" | "targets"> };

/** A model that a stage asks for. `newHead` says how a head is made that the input lacks. */
type Wanted = Pick<LoadRequest, "model" | "head" | "newHead"> & { readonly from: InputArtifact };

/**
 * Loads a model that the stage trains, or on which it trains an adapter: as the checkpoint's folder of that name has it, optimizer
 * included, when the stage resumes; else as the input has it.
 * Errors: TL_TRAIN_CHECKPOINT where the checkpoint's model is built otherwise, or lacks its optimizer.
 */
export async function loadForTraining(
  setup: Pick<TrainerSetup<Adapting>, "backend" | "parameters" | "seed" | "resume" | "phase">, { from, newHead, ...named }: Wanted,
): Promise<ModelInformation> {
  const { backend, parameters: { lora }, seed, resume } = setup;
  setup.phase(`loading ${named.model}`);
  const weights = weightsOf(from);
  if (resume === undefined) {
    const adapter = lora && { rank: lora.rank, alpha: lora.alpha, targets: lora.targets, seed, base: nameOfBase(from) };
    return backend.load({ ...named, ...weights, newHead, trainable: true, adapter });
  }
  const { directory } = resume;
  const saved = join(directory, named.model);
  if (lora === undefined) {
    await checkModel(directory, named.model, named.head, weights.directory);
    return orMismatch(directory, named.model, () => backend.load({ ...named, directory: saved, trainable: true, optimizer: true }));
  }
  await checkAdapter(directory, named.model, named.head, lora);
  return orMismatch(directory, named.model, () => backend.load({ ...named, ...weights, trainable: true, adapter: { directory: saved }, optimizer: true }));
}

/** Loads a model that the stage only reads. */
export async function loadFrozen(setup: Pick<TrainerSetup<unknown>, "backend" | "phase">, { from, ...named }: Wanted): Promise<ModelInformation> {
  setup.phase(`loading ${named.model}`);
  return setup.backend.load({ ...named, ...weightsOf(from), trainable: false });
}

const weightsOf = ({ weights, directory }: InputArtifact): ModelWeights => weights ?? { directory, adapters: [] };

/** What adapter_config.json says of the model under the adapter. */
function nameOfBase({ base }: InputArtifact): string | undefined {
  return base && ("artifact" in base ? base.artifact : base.path);
}

/** Writes models with their optimizers into folders of a checkpoint, named as in the backend, and `state` beside them. */
export async function saveCheckpoint(backend: Backend, directory: string, models: readonly string[], state: unknown = {}): Promise<void> {
  for (const model of models) {
    const folder = join(directory, model);
    await mkdir(folder);
    await backend.save(model, folder, { optimizer: true });
  }
  await writeFile(join(directory, STATE_FILE), `${canonicalJson(state)}\n`, { flush: true });
}

/** The state that saveCheckpoint wrote. Errors: TL_TRAIN_CHECKPOINT. */
export async function readCheckpointState<Schema extends z.ZodType>(directory: string, schema: Schema): Promise<z.output<Schema>> {
  const path = join(directory, STATE_FILE);
  try {
    return schema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (cause) {
    throw new TruelineError("TL_TRAIN_CHECKPOINT", `${path} is not the state of such a stage.`, { cause });
  }
}

/** Writes what a stage leaves of a model, and the tokenizer's files. Gives what the artifact says of it: the base of an adapter. */
export async function saveModel(
  { backend, parameters: { lora } }: Pick<TrainerSetup<Adapting>, "backend" | "parameters">,
  { model, from }: Pick<Wanted, "model" | "from">, directory: string, tokenizer: Tokenizer,
): Promise<Pick<ArtifactMetadata, "base">> {
  await backend.save(model, directory, { optimizer: false });
  await tokenizer.copyTo(directory);
  return lora !== undefined && from.base !== undefined ? { base: from.base } : {};
}

export type OptimizerParameters = Schedule & Omit<OptimizerSettings, "learningRate">;

/** AdamW's settings at step `step` (from 0) of `total`. */
export function optimizerAt(parameters: OptimizerParameters, step: number, total: number): OptimizerSettings {
  const { beta1, beta2, epsilon, weightDecay, maxGradientNorm } = parameters;
  return {
    learningRate: learningRateAt(parameters, step, total), beta1, beta2, epsilon, weightDecay,
    ...(maxGradientNorm !== undefined && { maxGradientNorm }),
  };
}

/** An input that the stage's declaration requires. */
export function requireInput(setup: Pick<TrainerSetup<unknown>, "artifacts">, name: string): InputArtifact {
  const input = setup.artifacts[name];
  if (input === undefined) throw new TruelineError("TL_INTERNAL", `The stage was started without its input "${name}".`);
  return input;
}

/** A data input that the stage's declaration requires. */
export function requireData(setup: Pick<TrainerSetup<unknown>, "data">, name: string): StageData {
  const data = setup.data[name];
  if (data === undefined) throw new TruelineError("TL_INTERNAL", `The stage was started without its data "${name}".`);
  return data;
}

/** The token that ends a document or an answer. Errors: TL_TOKENIZER_INVALID. */
export function endTokenOf(tokenizer: Tokenizer): number {
  const [endToken] = tokenizer.endTokens;
  if (endToken === undefined) {
    throw new TruelineError("TL_TOKENIZER_INVALID", "The tokenizer names no end token.", { hint: "tokenizer_config.json's eos_token names it." });
  }
  return endToken;
}
