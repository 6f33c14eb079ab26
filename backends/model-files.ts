import { join } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import { randomAt } from "../foundation/random.js";
import { blueprintOf } from "../models/blueprint.js";
import { type ModelConfiguration, describeModel, writeConfiguration } from "../models/configuration.js";
import { families } from "../models/families.js";
import { checkTensors, parameterShapes, sizeOf } from "../models/parameters.js";
import { type Tensor, readModelTensors, readSafetensors, writeModelTensors, writeSafetensors } from "../models/safetensors.js";
import type { Head, LoadRequest } from "./backend.js";

export type Tensors = ReadonlyMap<string, Tensor>;

/** A model as its files hold it; `parameters` in the order of models/parameters.ts. */
export interface StoredModel {
  readonly configuration: ModelConfiguration;
  readonly head: Head;
  readonly parameters: Tensors;
  readonly optimizer?: OptimizerState;
}

/** Adam's moments by parameter, in the order of the parameters, and how many updates made them. */
export interface OptimizerState {
  readonly firstMoments: Tensors;
  readonly secondMoments: Tensors;
  readonly updates: number;
}

export interface LoadedModel extends StoredModel {
  readonly headIsNew: boolean;
  /** False for value models, and for reward models whose directory has no LM head. */
  readonly languageHead: boolean;
}

const momentPrefixes = { firstMoments: "exp_avg.", secondMoments: "exp_avg_sq." } as const;
const optimizerFile = "optimizer.safetensors";

/** Fails with TL_BACKEND_NOT_TRAINABLE when a load request contradicts itself. */
export function checkLoad(request: LoadRequest): void {
  if (request.optimizer === true && !request.trainable) {
    throw new TruelineError("TL_BACKEND_NOT_TRAINABLE", `optimizer state was asked for "${request.model}", which is loaded for reading only`);
  }
}

/**
 * Reads what a load request asks for, and makes the head where the directory has none of the asked kind.
 * @throws TL_MODEL_*, TL_BACKEND_HEAD_MISSING, TL_BACKEND_OPTIMIZER_MISSING, TL_BACKEND_NOT_TRAINABLE.
 */
export async function loadModel(request: LoadRequest): Promise<LoadedModel> {
  const { directory, head } = request;
  checkLoad(request);
  const { configuration, head: storedHead } = await describeModel(directory);
  const blueprint = blueprintOf(configuration, head);
  const stored = withPrefix(await readModelTensors(directory), families[configuration.family].prefix);
  const headIsNew = head !== "language" && head !== storedHead;
  const tensors = headIsNew ? new Map([...stored, ...newHead(request, storedHead, configuration, stored)]) : stored;

  const shapes = new Map(parameterShapes(configuration, head));
  const languageHead = blueprint.languageHead?.weight;
  // transformers saves reward models without an LM head
  if (head === "score" && languageHead !== undefined && !tensors.has(languageHead)) shapes.delete(languageHead);
  checkTensors(tensors, shapes, directory);
  return {
    configuration, head, headIsNew,
    languageHead: head !== "value" && (languageHead === undefined || shapes.has(languageHead)),
    parameters: pick(tensors, [...shapes.keys()]),
    optimizer: request.optimizer === true ? await readOptimizer(directory, shapes) : undefined,
  };
}

/** Tensors under their full names: some models were saved from the decoder alone, without its prefix. */
const withPrefix = (tensors: Tensors, prefix: string): Tensors =>
  new Map([...[...tensors].map(([name, tensor]) => [prefix + name, tensor] as const), ...tensors]);

/** Writes config.json, model.safetensors or its shards and, with optimizer state, optimizer.safetensors; each whole and fsynced. */
export async function saveModel(directory: string, model: StoredModel): Promise<void> {
  await writeConfiguration(directory, model.configuration, model.head);
  await writeModelTensors(directory, model.parameters);
  if (model.optimizer === undefined) return;
  const { updates, ...moments } = model.optimizer;
  const prefixed = (kind: keyof typeof momentPrefixes): (readonly [string, Tensor])[] =>
    [...moments[kind]].map(([name, tensor]) => [momentPrefixes[kind] + name, tensor]);
  await writeSafetensors(
    join(directory, optimizerFile), [...prefixed("firstMoments"), ...prefixed("secondMoments")], { metadata: { updates: String(updates) } },
  );
}

async function readOptimizer(directory: string, shapes: ReadonlyMap<string, readonly number[]>): Promise<OptimizerState> {
  const path = join(directory, optimizerFile);
  const { tensors, metadata } = await readSafetensors(path).catch((error: unknown) => {
    if (error instanceof TruelineError && error.code !== "TL_MODEL_MISSING") throw error;
    throw new TruelineError("TL_BACKEND_OPTIMIZER_MISSING", `${path} can't be read`, { cause: error });
  });
  const updates = Number(metadata["updates"]);
  if (!Number.isInteger(updates) || updates < 0) {
    throw new TruelineError("TL_BACKEND_OPTIMIZER_MISSING", `${path} does not say how many updates its moments come from`);
  }
  const moments = (kind: keyof typeof momentPrefixes): Tensors => {
    const prefix = momentPrefixes[kind];
    checkTensors(tensors, new Map([...shapes].map(([name, shape]) => [prefix + name, shape])), path);
    return new Map([...shapes.keys()].map((name) => [name, tensors.get(prefix + name)!]));
  };
  return { firstMoments: moments("firstMoments"), secondMoments: moments("secondMoments"), updates };
}

/** How a head is made: its weights, or those of the stored score head as (score − mean) / std. */
export type HeadRecipe =
  | { readonly weight: Float32Array; readonly bias: number }
  | { readonly mean: number; readonly std: number };

/**
 * How the head is made that a directory lacks.
 * @param hidden width of the model's states.
 * @throws TL_BACKEND_HEAD_MISSING, TL_BACKEND_REQUEST_INVALID.
 */
export function headRecipe({ newHead: asked, directory, head }: LoadRequest, storedHead: Head, hidden: number): HeadRecipe {
  const missing = (hint: string): TruelineError =>
    new TruelineError("TL_BACKEND_HEAD_MISSING", `${directory} has a ${storedHead} head, not the ${head} head that was asked for`, { hint });
  if (asked === undefined) throw missing("Say how a new head is made, or name a model that has one.");
  switch (asked.init) {
    case "zero":
      return { weight: new Float32Array(hidden), bias: 0 };
    case "normal": {
      const random = randomAt(asked.seed, "head");
      return { weight: Float32Array.from({ length: hidden }, () => random.normal() / Math.sqrt(hidden + 1)), bias: 0 };
    }
    case "fromScore": {
      if (storedHead !== "score" || head !== "value") throw missing("A value head can be made from the score head of a reward model.");
      const { mean, std } = asked;
      if (!(std > 0 && Number.isFinite(std) && Number.isFinite(mean))) {
        throw new TruelineError("TL_BACKEND_REQUEST_INVALID", `scores can't be normalised by mean ${mean} and standard deviation ${std}`);
      }
      return { mean, std };
    }
  }
}

function newHead(request: LoadRequest, storedHead: Head, configuration: ModelConfiguration, stored: Tensors): Tensors {
  const { hidden } = configuration;
  const made = weightsOf(headRecipe(request, storedHead, hidden), request.directory, configuration, stored);
  const { weight, bias } = blueprintOf(configuration, request.head).label!;
  const tensors = new Map<string, Tensor>([[weight, { shape: [1, hidden], data: made.weight }]]);
  return bias === undefined ? tensors : tensors.set(bias, { shape: [1], data: Float32Array.of(made.bias) });
}

function weightsOf(
  recipe: HeadRecipe, directory: string, configuration: ModelConfiguration, stored: Tensors,
): { readonly weight: Float32Array; readonly bias: number } {
  if ("weight" in recipe) return recipe;
  const { weight } = blueprintOf(configuration, "score").label!;
  checkTensors(stored, new Map([[weight, [1, configuration.hidden]]]), directory);
  const { mean, std } = recipe;
  return { weight: stored.get(weight)!.data.map((value) => value / std), bias: -mean / std };
}

const pick = (tensors: Tensors, names: readonly string[]): Tensors =>
  new Map(names.map((name) => [name, tensors.get(name)!]));

/** Tensors of zeros in the shapes of the given ones. */
export const zerosLike = (tensors: Tensors): Tensors =>
  new Map([...tensors].map(([name, { shape }]) => [name, { shape, data: new Float32Array(sizeOf(shape)) }]));
