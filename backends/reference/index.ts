import { TruelineError } from "../../foundation/errors.js";
import { isOfAdapter } from "../../models/adapter.js";
import { blueprintOf } from "../../models/blueprint.js";
import type { Tensor } from "../../models/safetensors.js";
import type { Backend, ForwardResult, Quantity, StepPart, StepRequest, StepResult } from "../backend.js";
import { needsOf } from "../inspect.js";
import { type LoadedModel, type Tensors, loadModel, saveModel, zerosLike } from "../model-files.js";
import { type ModelTraits, validateForward, validateGenerate, validateStep } from "../validate.js";
import type { Model } from "./decoder.js";
import { evaluateSum } from "./evaluate.js";
import { generate } from "./generate.js";
import { type Slot, normOf, updateParameters } from "./optimizer.js";
import { quantitiesOf } from "./quantities.js";
import { Matrix, Tape } from "./tape.js";

/** A model that is held. Weights and moments are doubles on float32 values. */
interface Held {
  readonly traits: ModelTraits;
  readonly stored: LoadedModel;
  readonly weights: ReadonlyMap<string, Float64Array>;
  readonly moments?: { readonly first: ReadonlyMap<string, Float64Array>; readonly second: ReadonlyMap<string, Float64Array> };
  updates: number;
}

/** The oracle: everything in doubles, row by row, in this process. Slow. */
export function createReferenceBackend(): Backend {
  const models = new Map<string, Held>();
  let closed = false;

  const held = (name: string): Held => {
    open();
    const model = models.get(name);
    if (model !== undefined) return model;
    const names = [...models.keys()].join(", ") || "none";
    throw new TruelineError("TL_BACKEND_MODEL_UNKNOWN", `no model "${name}" is loaded`, { hint: `Loaded: ${names}.` });
  };
  const open = (): void => {
    if (closed) throw new TruelineError("TL_BACKEND_CLOSED", "the backend was closed");
  };

  return {
    async describe() {
      open();
      return { name: "reference", versions: { node: process.versions.node }, device: "float64 in JavaScript", threads: 1 };
    },
    async load(request) {
      open();
      const stored = await loadModel(request);
      const { configuration: { vocabulary, context }, head, languageHead, headIsNew } = stored;
      const { model: name, trainable } = request;
      models.set(name, hold({ name, head, languageHead, vocabulary, context, trainable, adapter: stored.adapter !== undefined }, stored));
      return { parameters: countOf(stored.parameters), trained: countOf(trainedOf(stored)), vocabulary, context, headIsNew };
    },
    async unload(name) {
      held(name);
      models.delete(name);
    },
    async save(name, directory, { optimizer }) {
      await saveModel(directory, snapshot(held(name), optimizer));
    },
    async forward(name, request) {
      const { traits, stored, weights } = held(name);
      validateForward(traits, request);
      const asked = new Set(request.quantities);
      const found = quantitiesOf(new Tape(false), modelOf(stored, weights, request.adapter), request.batch, asked, request.temperature ?? 1);
      const result: ForwardResult = {};
      for (const quantity of asked) result[quantity] = Float32Array.from(found[quantity]!.data);
      return result;
    },
    async generate(name, request) {
      const { traits, stored, weights } = held(name);
      validateGenerate(traits, request);
      return generate(name, modelOf(stored, weights), request);
    },
    async step(name, request) {
      const model = held(name);
      validateStep(model.traits, request);
      return step(model, request);
    },
    async close() {
      models.clear();
      closed = true;
    },
  };
}

const doubles = (tensors: Tensors): Map<string, Float64Array> =>
  new Map([...tensors].map(([name, { data }]) => [name, Float64Array.from(data)]));

function hold(traits: ModelTraits, stored: LoadedModel): Held {
  const { parameters, optimizer } = stored;
  const none = zerosLike(trainedOf(stored));
  return {
    traits, stored, weights: doubles(parameters),
    moments: traits.trainable
      ? { first: doubles(optimizer?.firstMoments ?? none), second: doubles(optimizer?.secondMoments ?? none) }
      : undefined,
    updates: optimizer?.updates ?? 0,
  };
}

/** The model with the weights as matrices whose gradients are zero. */
function modelOf(
  { configuration, head, parameters, adapter }: LoadedModel, weights: ReadonlyMap<string, Float64Array>, state: "on" | "off" = "on",
): Model {
  const used = [...parameters].filter(([name]) => state === "on" || !isOfAdapter(name));
  return {
    configuration, blueprint: blueprintOf(configuration, head), adapterScale: adapter?.scale ?? 1,
    parameters: new Map(used.map(([name, { shape }]) => [name, new Matrix(shape.length === 1 ? 1 : shape[0]!, shape.at(-1)!, weights.get(name)!)])),
  };
}

/** The parameters that steps change. */
const trainedOf = ({ parameters, trained }: LoadedModel): Tensors => new Map([...parameters].filter(([name]) => trained.has(name)));

const countOf = (tensors: Tensors): number => [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0);

function snapshot({ traits, stored, weights, moments, updates }: Held, optimizer: boolean) {
  if (optimizer && moments === undefined) {
    throw new TruelineError("TL_BACKEND_NOT_TRAINABLE", `the model "${traits.name}" was loaded for reading only and has no optimizer state`);
  }
  const { configuration, head, parameters, adapter } = stored;
  const trained = trainedOf(stored);
  const tensors = (of: Tensors, values: ReadonlyMap<string, Float64Array>): Tensors =>
    new Map([...of].map(([name, { shape }]): [string, Tensor] => [name, { shape, data: Float32Array.from(values.get(name)!) }]));
  return {
    configuration, head, adapter, parameters: tensors(adapter === undefined ? parameters : trained, weights),
    optimizer: optimizer && moments !== undefined
      ? { firstMoments: tensors(trained, moments.first), secondMoments: tensors(trained, moments.second), updates }
      : undefined,
  };
}

function step(model: Held, request: StepRequest): StepResult {
  const computed = modelOf(model.stored, model.weights);
  const parts = request.parts.map((part) => differentiate(computed, part));
  const slots = slotsOf(model, computed);
  const gradientNorm = normOf(slots.map(({ parameter }) => parameter.gradient));
  if (request.optimizer !== undefined && Number.isFinite(gradientNorm)) {
    model.updates++;
    updateParameters(slots, request.optimizer, model.updates, gradientNorm);
  }
  return {
    losses: parts.map(({ loss }) => loss),
    statistics: parts.map(({ statistics }) => statistics),
    gradientNorm,
    normsByParameter: request.normsByParameter === true
      ? Object.fromEntries(slots.map(({ name, parameter }) => [name, normOf([parameter.gradient])]))
      : undefined,
  };
}

/** Adds the gradient of a part's loss to the parameters. */
function differentiate(model: Model, part: StepPart) {
  const { batch, arrays } = part;
  const asked: ReadonlySet<Quantity> = needsOf([part.loss, ...Object.values(part.statistics)]).quantities;
  const tape = new Tape(true);
  const quantities = quantitiesOf(tape, model, batch, asked, part.temperature ?? 1);
  const lengths = { rows: batch.sequences.length, tokens: batch.targets.reduce((sum, targets) => sum + targets.length, 0) };
  const scope = { quantities, arrays, lengths, targetRows: batch.targets.flatMap((targets, row) => Array.from(targets, () => row)) };

  const loss = evaluateSum(tape, part.loss, scope);
  for (const { gradient } of loss.terms) gradient.forEach((_, i) => { gradient[i]! += 1; });
  tape.differentiate();
  const aside = new Tape(false);
  const statistics = Object.entries(part.statistics).map(([name, sum]) =>
    [name, evaluateSum(aside, sum, scope).value] as const);
  return { loss: loss.value, statistics: Object.fromEntries(statistics) };
}

const slotsOf = ({ stored, moments }: Held, { parameters }: Model): Slot[] =>
  [...trainedOf(stored)].map(([name, { shape }]) => ({
    name, parameter: parameters.get(name)!, first: moments!.first.get(name)!, second: moments!.second.get(name)!, decays: shape.length > 1,
  }));
