import { Tensor as OrtTensor } from "onnxruntime-node";
import { canonicalJson } from "../../foundation/canonical.js";
import { isOfAdapter } from "../../models/adapter.js";
import { type Blueprint, blueprintOf } from "../../models/blueprint.js";
import type { Head, ModelConfiguration } from "../../models/configuration.js";
import type { Tensor } from "../../models/safetensors.js";
import type { Batch, ForwardRequest, ForwardResult, StepPart, StepRequest, StepResult } from "../backend.js";
import type { Domain } from "../expressions.js";
import { domainOfTerm, needsOf } from "../inspect.js";
import { type ModelTraits, validateForward, validateStep } from "../validate.js";
import { constantsName, givenName, noTokens, templateOf, withoutTokens } from "./losses.js";
import { Optimizer } from "./optimizer.js";
import { pack } from "./packing.js";
import { piecesOf } from "./pieces.js";
import { type Program, forwardProgram, outputs, temperatureName, trainingProgram } from "./programs.js";
import { RotationTables } from "./rotation.js";
import type { SessionSettings } from "./sessions.js";
import { WeightStore, transposedNames } from "./weights.js";

export interface OnnxModelOptions {
  /** The caller's name of the model, for messages. */
  readonly name: string;
  readonly configuration: ModelConfiguration;
  readonly head: Head;
  /** Parameters by Hugging Face name, shapes as in files; a score model may lack its LM head. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly trainable: boolean;
  /** An adapter is trained, its matrices among the shapes: its scale, and the names of all that is changed. */
  readonly adapter?: { readonly scale: number; readonly trained: ReadonlySet<string> };
  readonly settings: SessionSettings;
  /** Floats of activations above which a batch is computed in pieces; default by purpose. */
  readonly activationFloats?: number;
}

/** Both Adam moments in the files' layout, and the number of updates that made them. */
export interface OptimizerState {
  readonly firstMoments: ReadonlyMap<string, Tensor>;
  readonly secondMoments: ReadonlyMap<string, Tensor>;
  readonly updates: number;
}

/** A model that computes quantities of given tokens and is trained; weights are zero until loaded. */
export class OnnxModel {
  readonly weights: WeightStore;
  /** What steps change: the weights themselves, or an adapter's matrices and the head. */
  readonly trained: WeightStore;
  readonly traits: ModelTraits;
  readonly blueprint: Blueprint;
  private readonly optimizer: Optimizer;
  private readonly rotations: RotationTables | undefined;
  private readonly programs = new Map<string, Promise<Program>>();

  /** @throws TL_BACKEND_OUT_OF_MEMORY */
  constructor(private readonly options: OnnxModelOptions) {
    const { name, configuration, head, shapes, trainable, adapter } = options;
    this.blueprint = blueprintOf(configuration, head);
    const transposed = new Set([...transposedNames(this.blueprint), ...[...shapes.keys()].filter(isOfAdapter)]);
    const only = (isTrained: boolean) => new Map([...shapes].filter(([parameter]) => adapter?.trained.has(parameter) === isTrained));
    this.weights = new WeightStore(adapter === undefined ? shapes : only(false), { trainable: trainable && adapter === undefined, transposed });
    this.trained = adapter === undefined ? this.weights : new WeightStore(only(true), { trainable, transposed });
    this.optimizer = new Optimizer(this.trained);
    this.rotations = this.blueprint.positions === undefined ? new RotationTables(configuration) : undefined;
    const languageHead = head !== "value" && (this.blueprint.languageHead === undefined || shapes.has(this.blueprint.languageHead.weight));
    this.traits = { name, head, languageHead, vocabulary: configuration.vocabulary, context: configuration.context, trainable, adapter: adapter !== undefined };
  }

  /** Adam's state, to be saved; only of trainable models. */
  optimizerState(): OptimizerState {
    return {
      firstMoments: this.trained.export("firstMoments"),
      secondMoments: this.trained.export("secondMoments"),
      updates: this.optimizer.updates,
    };
  }

  /** Takes Adam's state over. @throws TL_MODEL_TENSORS */
  loadOptimizerState({ firstMoments, secondMoments, updates }: OptimizerState): void {
    this.trained.load(firstMoments, "firstMoments");
    this.trained.load(secondMoments, "secondMoments");
    this.optimizer.updates = updates;
  }

  /** Takes tensors in the files' layout over; all parameters must be there. @throws TL_MODEL_TENSORS */
  load(tensors: ReadonlyMap<string, Tensor>): void {
    for (const store of new Set([this.weights, this.trained])) store.load(tensors);
  }

  /** See Backend.forward. */
  async forward(request: ForwardRequest): Promise<ForwardResult> {
    validateForward(this.traits, request);
    const results = [...new Set(request.quantities)].sort().map((name) => {
      const domain = name === "features" ? "rows" : domainOfTerm({ op: name });
      const width = name === "features" ? this.options.configuration.hidden : 1;
      return { name, domain, width, values: new Float32Array(width * sizeOf(request.batch, domain)) };
    });
    const given = { [temperatureName]: inverse(request.temperature) };
    for (const piece of piecesOf(request.batch, this.options.configuration, "forward", this.options.activationFloats)) {
      const asked = results.filter(({ domain }) => sizeOf(piece.batch, domain) > 0);
      if (asked.length === 0) continue;
      const names = asked.map(({ name }) => name);
      const adapter = request.adapter ?? "on";
      const program = await this.program(canonicalJson([adapter, names]), (target) => forwardProgram(target, names, adapter));
      const found = await this.run(program, piece.batch, given);
      for (const { name, domain, width, values } of asked) piece.put(floats(found[name]), values, domain, width);
    }
    return Object.fromEntries(results.map(({ name, values }) => [name, values]));
  }

  /** See Backend.step. */
  async step(request: StepRequest): Promise<StepResult> {
    validateStep(this.traits, request);
    this.optimizer.clear();
    const losses: number[] = [];
    const statistics: Record<string, number>[] = [];
    for (const part of request.parts) {
      const found = await this.differentiate(part);
      losses.push(found.loss);
      statistics.push(found.statistics);
    }
    const { global, byParameter } = this.optimizer.norms();
    if (request.optimizer !== undefined && Number.isFinite(global)) this.optimizer.update(request.optimizer, global);
    return { losses, statistics, gradientNorm: global, normsByParameter: request.normsByParameter ? byParameter : undefined };
  }

  /** Frees the sessions. */
  async release(): Promise<void> {
    const made = await Promise.all(this.programs.values());
    this.programs.clear();
    await Promise.all(made.map(({ session }) => session.release()));
  }

  /** Runs a part forward and backward, adds its gradients to the optimizer's, and gives its sums. */
  private async differentiate(part: StepPart): Promise<{ loss: number; statistics: Record<string, number> }> {
    const names = Object.keys(part.statistics);
    const sums = [part.loss, ...names.map((name) => part.statistics[name]!)];
    const needs = needsOf(sums);
    // rows that `take` joins must stay together
    const purpose = needs.indices.size > 0 ? "whole" : "training";
    const result = { loss: 0, statistics: Object.fromEntries(names.map((name) => [name, 0])) };
    for (const piece of piecesOf(part.batch, this.options.configuration, purpose, this.options.activationFloats)) {
      // sums over nothing are zero, and ONNX Runtime fails on some empty arrays
      const present = sums.map((sum) => sum.filter((term) => sizeOf(piece.batch, domainOfTerm(term)) > 0));
      const isSilent = sizeOf(piece.batch, "tokens") === 0;
      const template = templateOf(isSilent ? present.map((sum) => sum.map(withoutTokens)) : present);
      const [loss, ...others] = template.sums;
      const program = await this.program(canonicalJson([names, template.sums]), (target) =>
        trainingProgram(target, loss!, Object.fromEntries(names.map((name, index) => [name, others[index]!]))));
      const feeds: Record<string, OrtTensor> = {
        [temperatureName]: inverse(part.temperature),
        [constantsName]: vector(template.constants),
        ...(isSilent && { [givenName(noTokens)]: vector(new Float32Array(piece.batch.sequences.length)) }),
      };
      for (const [name, domain] of needs.arrays) feeds[givenName(name)] = vector(piece.take(part.arrays[name]!, domain));
      const found = await this.run(program, piece.batch, feeds);
      this.gather(found, piece.batch);
      result.loss += scalar(found[outputs.loss]);
      for (const name of names) result.statistics[name]! += scalar(found[outputs.statistic(name)]);
    }
    return result;
  }

  private gather(found: OrtTensors, batch: Batch): void {
    const named = (prefix: string): (readonly [string, Float32Array])[] => Object.entries(found)
      .filter(([name]) => name.startsWith(prefix)).map(([name, tensor]) => [name.slice(prefix.length), floats(tensor)]);
    // whole gradients first: they are copied where rows would have to be added to zeros
    for (const [name, gradient] of named(outputs.gradient)) this.optimizer.add(name, gradient);
    for (const [name, rows] of named(outputs.rows)) {
      this.optimizer.addRows(name, rows, joined(batch, name === this.blueprint.embedding.weight ? (sequence) => sequence : placesOf));
    }
  }

  private async run({ session, selection }: Program, batch: Batch, given: Readonly<Record<string, OrtTensor>>): Promise<OrtTensors> {
    const longest = Math.max(...batch.sequences.map(({ length }) => length));
    const packed = { ...pack(batch, selection, this.options.configuration.heads), ...this.rotations?.upTo(longest) };
    return session.run(Object.fromEntries(session.inputNames.map((name) =>
      [name, given[name] ?? packed[name] ?? (this.trained.parameters.has(name) ? this.trained : this.weights).tensor(name)])));
  }

  private program(key: string, make: (target: Parameters<typeof forwardProgram>[0]) => Promise<Program>): Promise<Program> {
    let program = this.programs.get(key);
    if (program === undefined) {
      const { options: { configuration, settings, adapter }, blueprint } = this;
      const shapes = new Map([...this.weights.parameters, ...this.trained.parameters].map(([name, { shape }]) => [name, shape]));
      program = make({ configuration, blueprint, shapes, settings, trained: new Set(this.trained.parameters.keys()), adapterScale: adapter?.scale ?? 1 });
      this.programs.set(key, program);
    }
    return program;
  }
}

type OrtTensors = Readonly<Record<string, OrtTensor>>;

const vector = (values: ArrayLike<number>): OrtTensor => new OrtTensor("float32", Float32Array.from(values), [values.length]);

const inverse = (temperature = 1): OrtTensor => new OrtTensor("float32", Float32Array.of(1 / temperature), []);

function floats(tensor: OrtTensor | undefined): Float32Array {
  if (!(tensor?.data instanceof Float32Array)) throw new TypeError("the graph's output is not float32");
  return tensor.data;
}

function scalar(tensor: OrtTensor | undefined): number {
  if (!(tensor?.data instanceof Float64Array)) throw new TypeError("the graph's output is not float64");
  return tensor.data[0]!;
}

/** Number of a batch's rows or target tokens. */
function sizeOf({ sequences, targets }: Batch, domain: Domain): number {
  return domain === "rows" ? sequences.length : targets.reduce((sum, { length }) => sum + length, 0);
}

/** Numbers of all sequences, one after the other. */
function joined({ sequences }: Batch, numbersOf: (sequence: Int32Array) => Int32Array): Int32Array {
  const all = new Int32Array(sequences.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const sequence of sequences) {
    all.set(numbersOf(sequence), at);
    at += sequence.length;
  }
  return all;
}

const placesOf = ({ length }: Int32Array): Int32Array => Int32Array.from({ length }, (_, place) => place);
