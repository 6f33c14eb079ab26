import { Tensor as OrtTensor } from "onnxruntime-node";
import { canonicalJson } from "../../foundation/canonical.js";
import type { Head, ModelConfiguration } from "../../models/configuration.js";
import type { Tensor } from "../../models/safetensors.js";
import type { Batch, ForwardRequest, ForwardResult, Quantity, StepPart, StepRequest, StepResult } from "../backend.js";
import { type ModelTraits, validateForward, validateStep } from "../validate.js";
import { constantsName, givenName, templateOf } from "./losses.js";
import { Optimizer } from "./optimizer.js";
import { pack } from "./packing.js";
import { type Program, forwardProgram, outputs, temperatureName, trainingProgram } from "./programs.js";
import type { SessionSettings } from "./sessions.js";
import { WeightStore } from "./weights.js";

export interface OnnxModelOptions {
  /** The caller's name of the model, for messages. */
  readonly name: string;
  readonly configuration: ModelConfiguration;
  readonly head: Head;
  /** Parameters by Hugging Face name, shapes as in files; a score model may lack its LM head. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly trainable: boolean;
  readonly settings: SessionSettings;
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
  readonly traits: ModelTraits;
  private readonly optimizer: Optimizer;
  private readonly programs = new Map<string, Promise<Program>>();

  /** @throws TL_BACKEND_OUT_OF_MEMORY */
  constructor(private readonly options: OnnxModelOptions) {
    const { name, configuration, head, shapes, trainable } = options;
    this.weights = new WeightStore(shapes, { trainable });
    this.optimizer = new Optimizer(this.weights);
    const languageHead = head !== "value" && (configuration.tiedEmbeddings || shapes.has("lm_head.weight"));
    this.traits = { name, head, languageHead, vocabulary: configuration.vocabulary, context: configuration.context, trainable };
  }

  /** Adam's state, to be saved; only of trainable models. */
  optimizerState(): OptimizerState {
    return {
      firstMoments: this.weights.export("firstMoments"),
      secondMoments: this.weights.export("secondMoments"),
      updates: this.optimizer.updates,
    };
  }

  /** Takes Adam's state over. @throws TL_MODEL_TENSORS */
  loadOptimizerState({ firstMoments, secondMoments, updates }: OptimizerState): void {
    this.weights.load(firstMoments, "firstMoments");
    this.weights.load(secondMoments, "secondMoments");
    this.optimizer.updates = updates;
  }

  /** See Backend.forward. */
  async forward(request: ForwardRequest): Promise<ForwardResult> {
    validateForward(this.traits, request);
    const quantities = [...new Set(request.quantities)].sort();
    if (quantities.length === 0) return {};
    const program = await this.program(canonicalJson(quantities), (target) => forwardProgram(target, quantities));
    const found = await this.run(program, request.batch, { [temperatureName]: inverse(request.temperature) });
    return Object.fromEntries(quantities.map((name: Quantity) => [name, floats(found[name])]));
  }

  /** See Backend.step. */
  async step(request: StepRequest): Promise<StepResult> {
    validateStep(this.traits, request);
    this.optimizer.clear();
    const losses: number[] = [];
    const statistics: Record<string, number>[] = [];
    for (const part of request.parts) {
      const found = await this.differentiate(part);
      losses.push(scalar(found[outputs.loss]));
      statistics.push(Object.fromEntries(Object.keys(part.statistics).map((name) => [name, scalar(found[outputs.statistic(name)])])));
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

  /** Runs a part forward and backward, and adds its gradients to the optimizer's. */
  private async differentiate(part: StepPart): Promise<OrtTensors> {
    const names = Object.keys(part.statistics);
    const template = templateOf([part.loss, ...names.map((name) => part.statistics[name]!)]);
    const [loss, ...sums] = template.sums;
    const program = await this.program(canonicalJson([names, template.sums]), (target) =>
      trainingProgram(target, loss!, Object.fromEntries(names.map((name, index) => [name, sums[index]!]))));
    const feeds: Record<string, OrtTensor> = {
      [temperatureName]: inverse(part.temperature),
      [constantsName]: vector(template.constants),
    };
    for (const [name, array] of Object.entries(part.arrays)) feeds[givenName(name)] = vector(array);
    const found = await this.run(program, part.batch, feeds);
    // whole gradients first: they are copied where rows would have to be added to zeros
    for (const [name, tensor] of Object.entries(found)) {
      if (name.startsWith(outputs.gradient)) this.optimizer.add(name.slice(outputs.gradient.length), floats(tensor));
    }
    for (const [name, tensor] of Object.entries(found)) {
      if (name.startsWith(outputs.rows)) this.optimizer.addRows(name.slice(outputs.rows.length), floats(tensor), tokensOf(part.batch));
    }
    return found;
  }

  private async run({ session, selection }: Program, batch: Batch, given: Readonly<Record<string, OrtTensor>>): Promise<OrtTensors> {
    const packed = pack(batch, selection, this.options.configuration.heads);
    return session.run(Object.fromEntries(session.inputNames.map((name) =>
      [name, given[name] ?? packed[name] ?? this.weights.tensor(name)])));
  }

  private program(key: string, make: (target: Parameters<typeof forwardProgram>[0]) => Promise<Program>): Promise<Program> {
    let program = this.programs.get(key);
    if (program === undefined) {
      const { configuration, settings } = this.options;
      const shapes = new Map([...this.weights.parameters].map(([name, { shape }]) => [name, shape]));
      program = make({ configuration, shapes, settings });
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

function tokensOf({ sequences }: Batch): Int32Array {
  const all = new Int32Array(sequences.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const sequence of sequences) {
    all.set(sequence, at);
    at += sequence.length;
  }
  return all;
}
