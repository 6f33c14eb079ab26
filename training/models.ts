import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import type { Backend, LoadRequest, ModelInformation, OptimizerSettings } from "../backends/backend.js";
import { canonicalJson } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import type { Tokenizer } from "../models/tokenizer.js";
import { checkModel, orMismatch } from "./checkpoint-identity.js";
import { learningRateAt, type Schedule } from "./schedule.js";
import type { InputArtifact, StageData, TrainerSetup } from "./trainer.js";

const STATE_FILE = "state.json";

/**
 * Loads a model that the stage trains: from the checkpoint's folder of that name, optimizer included, when the stage
 * resumes; else from the input's directory. `newHead` says how a head is made that the input lacks.
 * Errors: TL_TRAIN_CHECKPOINT where the checkpoint's model is built otherwise, or lacks its optimizer.
 */
export async function loadForTraining(
  setup: Pick<TrainerSetup<unknown>, "backend" | "resume" | "phase">,
  request: Pick<LoadRequest, "model" | "head" | "newHead"> & { readonly from: InputArtifact },
): Promise<ModelInformation> {
  const { from, newHead, ...named } = request;
  setup.phase(`loading ${request.model}`);
  if (setup.resume !== undefined) {
    const { directory } = setup.resume;
    await checkModel(directory, request.model, request.head, from.directory);
    return orMismatch(directory, request.model, () =>
      setup.backend.load({ ...named, directory: join(directory, request.model), trainable: true, optimizer: true }));
  }
  return setup.backend.load({ ...named, newHead, directory: from.directory, trainable: true });
}

/** Loads a model that the stage only reads. */
export async function loadFrozen(
  setup: Pick<TrainerSetup<unknown>, "backend" | "phase">,
  request: Pick<LoadRequest, "model" | "head" | "newHead"> & { readonly from: InputArtifact },
): Promise<ModelInformation> {
  const { from, ...named } = request;
  setup.phase(`loading ${request.model}`);
  return setup.backend.load({ ...named, directory: from.directory, trainable: false });
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

/** Writes a Hugging Face directory: the model's files and the tokenizer's. */
export async function saveModel(backend: Backend, model: string, directory: string, tokenizer: Tokenizer): Promise<void> {
  await backend.save(model, directory, { optimizer: false });
  await tokenizer.copyTo(directory);
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
