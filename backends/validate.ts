import { TruelineError, type ErrorCode } from "../foundation/errors.js";
import type {
  Batch, ForwardQuantity, ForwardRequest, GenerateRequest, Head, OptimizerSettings, StepPart, StepRequest,
} from "./backend.js";
import type { Domain } from "./expressions.js";
import { domainOfTerm, needsOf } from "./inspect.js";

/** What a request is checked against. */
export interface ModelTraits {
  readonly name: string;
  readonly head: Head;
  /** False for score models whose directory had no LM head, and for value models. */
  readonly languageHead: boolean;
  readonly vocabulary: number;
  readonly context: number;
  readonly trainable: boolean;
  /** Whether it trains an adapter in place of its weights. */
  readonly adapter: boolean;
}

/** Checks a forward request; both backends call it before they compute. Fails with TL_BACKEND_* codes. */
export function validateForward(model: ModelTraits, request: ForwardRequest): void {
  batch(model, request.batch);
  request.quantities.forEach((name) => quantity(model, name));
  temperature(request.temperature);
  if (request.adapter === "off" && !model.adapter) throw invalid(`the model "${model.name}" has no adapter that could be off`);
}

/** Checks a generate request. Fails with TL_BACKEND_* codes. */
export function validateGenerate(model: ModelTraits, request: GenerateRequest): void {
  quantity(model, "logProbabilities");
  const { maxNewTokens, prompts, uniforms } = request;
  if (prompts.length === 0) throw invalid("there is no prompt");
  inRange("maxNewTokens", maxNewTokens, Number.isInteger(maxNewTokens) && maxNewTokens >= 1, "a whole number from 1 on");
  inRange("temperature", request.temperature, request.temperature >= 0, "0 or more");
  const { topP = 1, topK = 0, repetitionPenalty = 1 } = request;
  inRange("topP", topP, topP > 0 && topP <= 1, "above 0 and at most 1");
  inRange("topK", topK, Number.isInteger(topK) && topK >= 0, "a whole number from 0 on");
  inRange("repetitionPenalty", repetitionPenalty, repetitionPenalty > 0, "above 0");
  prompts.forEach((prompt, index) => row(model, prompt, `prompt ${index}`, maxNewTokens));
  if (request.temperature > 0 && uniforms.length !== prompts.length * maxNewTokens) {
    throw invalid(
      `there are ${uniforms.length} uniforms for ${prompts.length} prompts of at most ${maxNewTokens} new tokens`,
      `Give ${prompts.length * maxNewTokens}.`,
    );
  }
}

/** Checks a step request. Fails with TL_BACKEND_* codes. */
export function validateStep(model: ModelTraits, request: StepRequest): void {
  if (!model.trainable) {
    throw fault("TL_BACKEND_NOT_TRAINABLE", `the model "${model.name}" was loaded for reading only`, "Load it with trainable: true.");
  }
  if (request.parts.length === 0) throw invalid("the step has no parts");
  request.parts.forEach((part) => stepPart(model, part));
  if (request.optimizer !== undefined) optimizer(request.optimizer);
}

/**
 * Checks that a token which is about to be appended was drawn from numbers: softmax spreads a single NaN over the whole row.
 * Fails with TL_BACKEND_NOT_FINITE.
 * @param place indices of the prompt and of the new token
 */
export function validateDrawn(model: string, logProbability: number | undefined, place: { readonly prompt: number; readonly token: number }): void {
  if (Number.isFinite(logProbability)) return;
  throw fault("TL_BACKEND_NOT_FINITE", `the model "${model}" gives no probabilities for new token ${place.token} of prompt ${place.prompt}: they are not numbers`);
}

function stepPart(model: ModelTraits, part: StepPart): void {
  batch(model, part.batch);
  temperature(part.temperature);
  const sums = [part.loss, ...Object.values(part.statistics)];
  sums.flat().forEach(domainOfTerm);
  const needs = needsOf(sums);
  needs.quantities.forEach((name) => quantity(model, name));
  const lengths: Record<Domain, number> = {
    rows: part.batch.sequences.length,
    tokens: part.batch.targets.reduce((sum, targets) => sum + targets.length, 0),
  };
  for (const [name, domain] of needs.arrays) {
    const array = part.arrays[name];
    if (array === undefined) throw invalid(`the expressions name an array "${name}" that was not given`);
    if (array.length !== lengths[domain]) {
      throw invalid(`the array "${name}" has ${array.length} numbers`, `It is over ${domain}: ${lengths[domain]} numbers.`);
    }
    if (needs.indices.has(name) && !array.every((index) => Number.isInteger(index) && index >= 0 && index < lengths.rows)) {
      throw invalid(`the array "${name}" has an index that names no row`, `Whole numbers from 0 to ${lengths.rows - 1}.`);
    }
  }
}

function batch(model: ModelTraits, { sequences, targets }: Batch): void {
  if (sequences.length === 0) throw invalid("the batch has no rows");
  if (targets.length !== sequences.length) {
    throw invalid(`the batch has ${sequences.length} rows and ${targets.length} lists of targets`);
  }
  sequences.forEach((sequence, index) => {
    row(model, sequence, `row ${index}`, 0);
    targets[index]!.forEach((target, order, all) => {
      const floor = order === 0 ? 1 : all[order - 1]! + 1;
      if (target < floor || target >= sequence.length) {
        throw invalid(
          `row ${index} of ${sequence.length} tokens has the target ${target}`,
          `Targets ascend, from 1 to the row's last index.`,
        );
      }
    });
  });
}

function row(model: ModelTraits, tokens: Int32Array, name: string, more: number): void {
  if (tokens.length === 0) throw invalid(`${name} is empty`);
  if (tokens.length + more > model.context) {
    const asked = more === 0 ? "" : ` and may grow by ${more}`;
    throw fault(
      "TL_BACKEND_ROW_TOO_LONG",
      `${name} has ${tokens.length} tokens${asked}; the model "${model.name}" reads ${model.context}`,
      "Cut or drop longer rows before they reach the model.",
    );
  }
  const stranger = tokens.find((token) => token < 0 || token >= model.vocabulary);
  if (stranger !== undefined) {
    throw fault(
      "TL_BACKEND_TOKEN_UNKNOWN",
      `${name} holds the token ${stranger}; the model "${model.name}" knows 0 to ${model.vocabulary - 1}`,
      "Was the text encoded with this model's tokenizer?",
    );
  }
}

function quantity(model: ModelTraits, name: ForwardQuantity): void {
  const offered: Record<ForwardQuantity, boolean> = {
    logProbabilities: model.languageHead,
    entropy: model.languageHead,
    values: model.head === "value",
    scores: model.head === "score",
    features: true,
  };
  if (!offered[name]) {
    throw fault("TL_BACKEND_QUANTITY_MISSING", `the ${model.head} model "${model.name}" has no ${name}`);
  }
}

function temperature(value = 1): void {
  inRange("temperature", value, value > 0, "above 0");
}

function optimizer(settings: OptimizerSettings): void {
  const { learningRate, beta1, beta2, epsilon, weightDecay, maxGradientNorm = 1 } = settings;
  inRange("learningRate", learningRate, learningRate >= 0, "0 or more");
  inRange("beta1", beta1, beta1 >= 0 && beta1 < 1, "from 0 to below 1");
  inRange("beta2", beta2, beta2 >= 0 && beta2 < 1, "from 0 to below 1");
  inRange("epsilon", epsilon, epsilon > 0, "above 0");
  inRange("weightDecay", weightDecay, weightDecay >= 0, "0 or more");
  inRange("maxGradientNorm", maxGradientNorm, maxGradientNorm > 0, "above 0");
}

function inRange(name: string, value: number, holds: boolean, right: string): void {
  if (!holds || !Number.isFinite(value)) throw invalid(`${name} is ${value}`, `It is ${right}.`);
}

const invalid = (message: string, hint?: string): TruelineError => fault("TL_BACKEND_REQUEST_INVALID", message, hint);

const fault = (code: ErrorCode, message: string, hint?: string): TruelineError => new TruelineError(code, message, { hint });
