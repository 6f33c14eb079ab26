import type { InferenceSession } from "onnxruntime-node";
import { adapterNames, isOfAdapter } from "../../models/adapter.js";
import type { Blueprint } from "../../models/blueprint.js";
import type { ModelConfiguration } from "../../models/configuration.js";
import type { ForwardQuantity } from "../backend.js";
import type { Sum } from "../expressions.js";
import { needsOf } from "../inspect.js";
import { GraphBuilder, type Value } from "./graph.js";
import { type HeadValues, heads } from "./decoder.js";
import { ExpressionCompiler } from "./losses.js";
import { type PackedInputs, type Selection, packedInputs } from "./packing.js";
import { type SessionSettings, createSession } from "./sessions.js";
import { Tape } from "./tape.js";

/** A compiled graph, and the packing it reads. Weights are inputs under their parameters' names. */
export interface Program {
  readonly session: InferenceSession;
  readonly selection: Selection;
}

/** What programs are made for: an architecture, the parameters it has (shapes as computed with), and how to run. */
export interface ProgramTarget {
  readonly configuration: ModelConfiguration;
  readonly blueprint: Blueprint;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** The parameters whose gradients are wanted. */
  readonly trained: ReadonlySet<string>;
  /** What the products of an adapter's matrices are multiplied by. */
  readonly adapterScale: number;
  readonly settings: SessionSettings;
}

/** Name of the graph input that divides the logits, as its inverse. */
export const temperatureName = "inverseTemperature";
/** Names of a training program's outputs: the loss, each statistic, whole gradients and rows of gradients. */
export const outputs = {
  loss: "loss",
  statistic: (name: string) => `statistic.${name}`,
  gradient: "gradient.",
  rows: "rows.",
} as const;

/** A program that gives quantities, each an output under its name, with the model's adapter or without it. */
export async function forwardProgram(target: ProgramTarget, quantities: readonly ForwardQuantity[], adapter: "on" | "off"): Promise<Program> {
  const shapes = adapter === "on" ? target.shapes : new Map([...target.shapes].filter(([name]) => !isOfAdapter(name)));
  const frame = frameOf({ ...target, shapes }, new Set(quantities));
  for (const name of quantities) frame.graph.output(quantityOf(frame.heads, name), name);
  return finish(frame, target);
}

/** A program that gives a loss, statistics and the gradient of the loss in every trained parameter that it depends on. */
export async function trainingProgram(target: ProgramTarget, loss: Sum, statistics: Readonly<Record<string, Sum>>): Promise<Program> {
  const frame = frameOf(target, needsOf([loss, ...Object.values(statistics)]).quantities);
  const { graph, tape, weights } = frame;
  for (const name of target.trained) tape.watch(required(weights, name));
  const compiler = new ExpressionCompiler(tape, frame.heads, frame.inputs);
  const { total, seeds } = compiler.sum(loss);
  graph.output(total, outputs.loss);
  for (const [name, sum] of Object.entries(statistics)) graph.output(compiler.sum(sum).total, outputs.statistic(name));
  const { dense, rows } = tape.gradients(seeds);
  for (const name of weights.keys()) {
    const whole = dense.get(name);
    if (whole !== undefined) graph.output(whole, outputs.gradient + name);
    const picked = rows.get(name);
    if (picked !== undefined) graph.output(picked, outputs.rows + name);
  }
  // on the processor whatever was asked for: weights and gradients would cross the bus at every step
  return finish(frame, { ...target, settings: { ...target.settings, executionProviders: [] } });
}

interface Frame {
  readonly graph: GraphBuilder;
  readonly tape: Tape;
  readonly weights: ReadonlyMap<string, Value>;
  readonly selection: Selection;
  readonly inputs: PackedInputs;
  readonly heads: HeadValues;
}

function frameOf({ configuration, blueprint, shapes, adapterScale: scale }: ProgramTarget, quantities: ReadonlySet<ForwardQuantity>): Frame {
  const graph = new GraphBuilder();
  const tape = new Tape(graph);
  const weights = new Map([...shapes].map(([name, shape]) => [name, graph.input(name, "float32", shape)] as const));
  const inputs = packedInputs(graph, configuration.heads);
  const ofLast = (name: ForwardQuantity): boolean => name === "scores" || name === "features";
  const selection = { last: [...quantities].some(ofLast), targets: [...quantities].some((name) => !ofLast(name)) };
  const temperature = graph.input(temperatureName, "float32", []);
  const adapterOf = (module: string) => {
    const names = adapterNames(module);
    const [a, b] = [weights.get(names.a), weights.get(names.b)];
    return a && b && { a, b, scale };
  };
  const made = heads(tape, { configuration, blueprint, parameterOf: (name) => required(weights, name), adapterOf }, inputs, selection, temperature);
  return { graph, tape, weights, selection, inputs, heads: made };
}

function required(weights: ReadonlyMap<string, Value>, name: string): Value {
  const value = weights.get(name);
  if (value === undefined) throw new RangeError(`the model has no parameter ${name}`);
  return value;
}

function quantityOf(made: HeadValues, quantity: ForwardQuantity): Value {
  switch (quantity) {
    case "logProbabilities": return made.languageModel().logProbabilities;
    case "entropy": return made.languageModel().entropy;
    case "values": return made.values();
    case "scores": return made.scores();
    case "features": return made.features();
  }
}

async function finish({ graph, selection }: Frame, { settings }: ProgramTarget): Promise<Program> {
  return { session: await createSession(graph.build(), settings), selection };
}
