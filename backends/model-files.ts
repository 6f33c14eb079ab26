import { join } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import { randomAt } from "../foundation/random.js";
import { type AdaptableLayer, adaptableLayers, foldAdapter, initialAdapter } from "../models/adapter.js";
import { type AdapterDescription, type AdapterTensors, describeAdapter, readAdapter, writeAdapter } from "../models/adapter-files.js";
import { blueprintOf } from "../models/blueprint.js";
import { type ModelConfiguration, describeModel, writeConfiguration } from "../models/configuration.js";
import { families } from "../models/families.js";
import { checkTensors, headShapes, parameterShapes, sizeOf } from "../models/parameters.js";
import { type Tensor, readModelTensors, readSafetensors, writeModelTensors, writeSafetensors } from "../models/safetensors.js";
import { newAdapter } from "./adapters.js";
import type { Head, LoadRequest } from "./backend.js";

export type Tensors = ReadonlyMap<string, Tensor>;

/** A model as it is saved. With an adapter, `parameters` are the adapter's matrices and the head's weights alone. */
export interface StoredModel {
  readonly configuration: ModelConfiguration;
  readonly head: Head;
  readonly parameters: Tensors;
  readonly adapter?: AdapterDescription;
  readonly optimizer?: OptimizerState;
}

/** Adam's moments by trained parameter, and how many updates made them. */
export interface OptimizerState {
  readonly firstMoments: Tensors;
  readonly secondMoments: Tensors;
  readonly updates: number;
}

/** What a load request asks for. */
export interface LoadedModel extends StoredModel {
  /** All of the model's, in the order of models/parameters.ts, and behind them an adapter's matrices. */
  readonly parameters: Tensors;
  readonly headIsNew: boolean;
  /** False for value models, and for reward models whose directory has no LM head. */
  readonly languageHead: boolean;
  /** Names of the parameters that are trained: all; with an adapter its matrices and the head's; none of a model that is only read. */
  readonly trained: ReadonlySet<string>;
}

const momentPrefixes = { firstMoments: "exp_avg.", secondMoments: "exp_avg_sq." } as const;
const optimizerFile = "optimizer.safetensors";

/** Fails with TL_BACKEND_NOT_TRAINABLE when a load request contradicts itself. */
export function checkLoad(request: LoadRequest): void {
  const asked = request.optimizer === true ? "optimizer state" : request.adapter !== undefined ? "an adapter to train" : undefined;
  if (asked !== undefined && !request.trainable) {
    throw new TruelineError("TL_BACKEND_NOT_TRAINABLE", `${asked} was asked for "${request.model}", which is loaded for reading only`);
  }
}

/**
 * Reads what a load request asks for, and makes the head where the directory has none of the asked kind.
 * @throws TL_MODEL_*, TL_BACKEND_HEAD_MISSING, TL_BACKEND_OPTIMIZER_MISSING, TL_BACKEND_NOT_TRAINABLE.
 */
export async function loadModel(request: LoadRequest): Promise<LoadedModel> {
  const { directory, head, trainable } = request;
  checkLoad(request);
  const { configuration, head: directoryHead } = await describeModel(directory);
  const layers = adaptableLayers(configuration);
  let stored: Weights = { tensors: withPrefix(await readModelTensors(directory), families[configuration.family].prefix), head: directoryHead };
  for (const path of request.adapters ?? []) stored = await withFolded(stored, path, configuration, layers);
  const adapter = request.adapter && await adapterOf(request.adapter, configuration, head, layers);
  if (adapter !== undefined && adapter.head.size > 0) stored = withHead(stored, adapter.description.head, adapter.head);

  const headIsNew = head !== "language" && head !== stored.head;
  const tensors = headIsNew ? new Map([...stored.tensors, ...newHead(request, stored.head, configuration, stored.tensors)]) : stored.tensors;
  const shapes = new Map(parameterShapes(configuration, head));
  const languageHead = blueprintOf(configuration, head).languageHead?.weight;
  // transformers saves reward models without an LM head
  if (head === "score" && languageHead !== undefined && !tensors.has(languageHead)) shapes.delete(languageHead);
  checkTensors(tensors, shapes, directory);
  const parameters = new Map([...pick(tensors, [...shapes.keys()]), ...adapter?.matrices ?? []]);
  const trained = adapter === undefined ? shapes.keys() : [...adapter.matrices.keys(), ...headShapes(configuration, head).keys()];
  const held = new Set(trainable ? trained : []);
  return {
    configuration, head, headIsNew, parameters, trained: held, adapter: adapter?.description,
    languageHead: head !== "value" && (languageHead === undefined || shapes.has(languageHead)),
    optimizer: request.optimizer === true ? await readOptimizer(optimizerDirectory(request), shapesOf(pick(parameters, [...held]))) : undefined,
  };
}

/** Tensors under their full names: some models were saved from the decoder alone, without its prefix. */
const withPrefix = (tensors: Tensors, prefix: string): Tensors =>
  new Map([...[...tensors].map(([name, tensor]) => [prefix + name, tensor] as const), ...tensors]);

/** Tensors, and the head that they were written for. */
interface Weights {
  readonly tensors: Tensors;
  readonly head: Head;
}

const withHead = ({ tensors }: Weights, head: Head, weights: Tensors): Weights => ({ tensors: new Map([...tensors, ...weights]), head });

/** Weights with an adapter folded in. An adapter of a language model brings no head, and leaves what there is. */
async function withFolded(
  weights: Weights, directory: string, configuration: ModelConfiguration, layers: readonly AdaptableLayer[],
): Promise<Weights> {
  const description = await describeAdapter(directory);
  const { matrices, head } = await readAdapter(directory, description, layers, headShapes(configuration, description.head));
  const folded = { ...weights, tensors: foldAdapter(weights.tensors, matrices, layers, description.scale) };
  return head.size === 0 ? folded : withHead(folded, description.head, head);
}

interface TrainedAdapter extends AdapterTensors {
  readonly description: AdapterDescription;
}

async function adapterOf(
  asked: NonNullable<LoadRequest["adapter"]>, configuration: ModelConfiguration, head: Head, layers: readonly AdaptableLayer[],
): Promise<TrainedAdapter> {
  if (!("directory" in asked)) {
    const { description, layers: chosen } = newAdapter(asked, head, layers);
    return { description, matrices: initialAdapter(chosen, asked.rank, asked.seed), head: new Map() };
  }
  const description = await describeAdapter(asked.directory);
  return { description, ...await readAdapter(asked.directory, description, layers, headShapes(configuration, description.head)) };
}

/** Writes a model's files or an adapter's, and with optimizer state, optimizer.safetensors; each whole and fsynced. */
export async function saveModel(directory: string, { configuration, head, parameters, adapter, optimizer }: StoredModel): Promise<void> {
  if (adapter !== undefined) await writeAdapter(directory, adapter, parameters);
  else {
    await writeConfiguration(directory, configuration, head);
    await writeModelTensors(directory, parameters);
  }
  if (optimizer === undefined) return;
  const { updates, ...moments } = optimizer;
  const prefixed = (kind: keyof typeof momentPrefixes): (readonly [string, Tensor])[] =>
    [...moments[kind]].map(([name, tensor]) => [momentPrefixes[kind] + name, tensor]);
  await writeSafetensors(
    join(directory, optimizerFile), [...prefixed("firstMoments"), ...prefixed("secondMoments")], { metadata: { updates: String(updates) } },
  );
}

/** Where a load request's optimizer state lies. */
const optimizerDirectory = ({ adapter, directory }: LoadRequest): string =>
  adapter !== undefined && "directory" in adapter ? adapter.directory : directory;

const shapesOf = (tensors: Tensors): ReadonlyMap<string, readonly number[]> => new Map([...tensors].map(([name, { shape }]) => [name, shape]));

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
