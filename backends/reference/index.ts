import { TruelineError } from "../../foundation/errors.js";
import { blueprintOf } from "../../models/blueprint.js";
import type { Tensor } from "../../models/safetensors.js";
import type { Backend, ForwardResult, Quantity, StepPart, StepRequest, StepResult } from "../backend.js";
import { needsOf } from "../inspect.js";
import { type LoadedModel, type Tensors, loadModel, saveModel, zerosLike } from "../model-files.js";
import { type ModelTraits, validateForward, validateGenerate, validateStep } from "../validate.js";
import { evaluateSum } from "./evaluate.js";
import { generate } from "./generate.js";
import type { Model, Parameters } from "./decoder.js";
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
      models.set(name, hold({ name, head, languageHead, vocabulary, context, trainable }, stored));
      const parameters = [...stored.parameters.values()].reduce((sum, tensor) => sum + tensor.data.length, 0);
      return { parameters, vocabulary, context, headIsNew };
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
      const found = quantitiesOf(new Tape(false), modelOf(stored, parametersOf(stored.parameters, weights)), request.batch, asked, request.temperature ?? 1);
      const result: ForwardResult = {};
      for (const quantity of asked) result[quantity] = Float32Array.from(found[quantity]!.data);
      return result;
    },
    async generate(name, request) {
      const { traits, stored, weights } = held(name);
      validateGenerate(traits, request);
      return generate(name, modelOf(stored, parametersOf(stored.parameters, weights)), request);
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
  return {
    traits, stored, weights: doubles(parameters),
    moments: traits.trainable
      ? { first: doubles(optimizer?.firstMoments ?? zerosLike(parameters)), second: doubles(optimizer?.secondMoments ?? zerosLike(parameters)) }
      : undefined,
    updates: optimizer?.updates ?? 0,
  };
}

/** The weights as matrices whose gradients are zero. */
const parametersOf = (tensors: Tensors, weights: ReadonlyMap<string, Float64Array>): Parameters =>
  new Map([...tensors].map(([name, { shape }]) => [
    name, new Matrix(shape.length === 1 ? 1 : shape[0]!, shape.at(-1)!, weights.get(name)!),
  ]));

const modelOf = ({ configuration, head }: LoadedModel, parameters: Parameters): Model => ({ configuration, blueprint: blueprintOf(configuration, head), parameters });

function snapshot({ traits, stored, weights, moments, updates }: Held, optimizer: boolean) {
  if (optimizer && moments === undefined) {
    throw new TruelineError("TL_BACKEND_NOT_TRAINABLE", `the model "${traits.name}" was loaded for reading only and has no optimizer state`);
  }
  const tensors = (values: ReadonlyMap<string, Float64Array>): Tensors =>
    new Map([...stored.parameters].map(([name, { shape }]): [string, Tensor] => [name, { shape, data: Float32Array.from(values.get(name)!) }]));
  return {
    configuration: stored.configuration, head: stored.head, parameters: tensors(weights),
    optimizer: optimizer && moments !== undefined
      ? { firstMoments: tensors(moments.first), secondMoments: tensors(moments.second), updates }
      : undefined,
  };
}

function step(model: Held, request: StepRequest): StepResult {
  const parameters = parametersOf(model.stored.parameters, model.weights);
  const parts = request.parts.map((part) => differentiate(model, parameters, part));
  const gradientNorm = normOf([...parameters.values()].map(({ gradient }) => gradient));
  if (request.optimizer !== undefined && Number.isFinite(gradientNorm)) {
    model.updates++;
    updateParameters(slotsOf(model, parameters), request.optimizer, model.updates, gradientNorm);
  }
  return {
    losses: parts.map(({ loss }) => loss),
    statistics: parts.map(({ statistics }) => statistics),
    gradientNorm,
    normsByParameter: request.normsByParameter === true
      ? Object.fromEntries([...parameters].map(([name, { gradient }]) => [name, normOf([gradient])]))
      : undefined,
  };
}

/** Adds the gradient of a part's loss to the parameters. */
function differentiate({ stored }: Held, parameters: Parameters, part: StepPart) {
  const { batch, arrays } = part;
  const asked: ReadonlySet<Quantity> = needsOf([part.loss, ...Object.values(part.statistics)]).quantities;
  const tape = new Tape(true);
  const quantities = quantitiesOf(tape, modelOf(stored, parameters), batch, asked, part.temperature ?? 1);
  const lengths = { rows: batch.sequences.length, tokens: batch.targets.reduce((sum, targets) => sum + targets.length, 0) };

  const loss = evaluateSum(tape, part.loss, { quantities, arrays, lengths });
  for (const { gradient } of loss.terms) gradient.forEach((_, i) => { gradient[i]! += 1; });
  tape.differentiate();
  const aside = new Tape(false);
  const statistics = Object.entries(part.statistics).map(([name, sum]) =>
    [name, evaluateSum(aside, sum, { quantities, arrays, lengths }).value] as const);
  return { loss: loss.value, statistics: Object.fromEntries(statistics) };
}

const slotsOf = ({ stored, moments }: Held, parameters: Parameters): Slot[] =>
  [...stored.parameters].map(([name, { shape }]) => ({
    parameter: parameters.get(name)!, first: moments!.first.get(name)!, second: moments!.second.get(name)!, decays: shape.length > 1,
  }));
