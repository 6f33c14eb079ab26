import { type InferenceSession, Tensor } from "onnxruntime-node";
import { TruelineError } from "../../foundation/errors.js";
import { isOfAdapter } from "../../models/adapter.js";
import type { ModelConfiguration } from "../../models/architecture.js";
import type { Blueprint } from "../../models/blueprint.js";
import type { GenerateRequest, GenerateResult } from "../backend.js";
import { validateDrawn } from "../validate.js";
import { biasName, generationGraph, newKeys, newValues, windowsOf } from "./generation-graph.js";
import { KeyValueCache } from "./key-value-cache.js";
import { drawFiltered, drawFrom, isFiltered, type Draw, type Filters } from "./sampling.js";
import { createSession, type SessionSettings } from "./sessions.js";
import type { WeightStore } from "./weights.js";

/** Bounds on memory, in bytes. */
export interface GenerationLimits {
  /** Cache of a batch; more prompts than fit are sampled in several batches. */
  readonly cache: number;
  /** Attention scores of a layer; longer prompts than fit are read in several chunks. */
  readonly scores: number;
}
const usualLimits: GenerationLimits = { cache: 2 ** 30, scores: 2 ** 25 };

/** The batch is compacted when at least this share of its rows has finished. */
const finishedShare = 1 / 8;
/** What hidden positions get added to their scores. */
const hiddenBias = -1e9;

/** What holds an adapter's matrices, and what their products are multiplied by. */
export interface AdapterSource {
  readonly store: WeightStore;
  readonly scale: number;
}

/**
 * Samples continuations of one model. Sessions hold a copy of the weights and are made anew when these change; an adapter is
 * read where it lies.
 */
export class Generator {
  private session: { readonly version: number; readonly of: InferenceSession } | undefined;

  constructor(
    private readonly name: string,
    private readonly configuration: ModelConfiguration,
    private readonly blueprint: Blueprint,
    private readonly weights: WeightStore,
    private readonly settings: SessionSettings,
    private readonly adapter?: AdapterSource,
    private readonly limits: GenerationLimits = usualLimits,
  ) {}

  /** See Backend.generate; the request is taken to be valid. */
  async generate(request: GenerateRequest): Promise<GenerateResult> {
    const session = await this.currentSession();
    const capacity = paddedWidth(request.prompts) + request.maxNewTokens;
    const fitting = Math.max(1, Math.floor(this.limits.cache / KeyValueCache.bytesPerRow(this.configuration, capacity)));
    // rows of like length share a batch, so that little of it is padding
    const order = Array.from(request.prompts.keys()).sort((left, right) => request.prompts[right]!.length - request.prompts[left]!.length);
    const rows = request.prompts.map((prompt, index) => new Row(prompt, index));
    for (let first = 0; first < order.length; first += fitting) {
      const batch = order.slice(first, first + fitting).map((index) => rows[index]!);
      await new Rollout(this.name, this.configuration, windowsOf(this.blueprint), session, request, batch, this.matrices(), this.limits).finish();
    }
    return {
      tokens: rows.map((row) => Int32Array.from(row.tokens)),
      logProbabilities: rows.map((row) => Float32Array.from(row.logProbabilities)),
      sampledLogProbabilities: isFiltered(filtersOf(request)) ? rows.map((row) => Float32Array.from(row.sampledLogProbabilities)) : undefined,
      finished: rows.map((row) => row.finished),
    };
  }

  /** Frees the session, and with it its copy of the weights. */
  async release(): Promise<void> {
    await this.session?.of.release();
    this.session = undefined;
  }

  /** The adapter's matrices by name, as they are now. */
  private matrices(): Readonly<Record<string, Tensor>> {
    const { store } = this.adapter ?? {};
    return store === undefined ? {} : Object.fromEntries([...store.parameters.keys()].filter(isOfAdapter).map((name) => [name, store.tensor(name)]));
  }

  private async currentSession(): Promise<InferenceSession> {
    if (this.session?.version !== this.weights.version) {
      await this.release();
      const { version, memory } = this.weights;
      const graph = generationGraph(this.configuration, this.blueprint, (builder, name) => {
        const { byteOffset: offset, byteLength: length } = this.weights.view(name);
        return builder.external(name, this.weights.tensor(name).dims, { offset, length });
      }, this.adapter && { scale: this.adapter.scale, shapes: new Map(Object.entries(this.matrices()).map(([name, { dims }]) => [name, dims])) });
      this.session = { version, of: await createSession(graph, this.settings, new Uint8Array(memory.buffer)) };
    }
    return this.session!.of;
  }
}

/** A prompt and what was sampled behind it. */
class Row {
  readonly tokens: number[] = [];
  readonly logProbabilities: number[] = [];
  readonly sampledLogProbabilities: number[] = [];
  finished = false;

  constructor(readonly prompt: Int32Array, readonly index: number) {}

  /** Tokens that the repetition penalty applies to. */
  get seen(): ReadonlySet<number> {
    return new Set([...this.prompt, ...this.tokens]);
  }

  append(draw: Draw): void {
    this.tokens.push(draw.token);
    this.logProbabilities.push(draw.logProbability);
    this.sampledLogProbabilities.push(draw.sampledLogProbability);
  }
}

const filtersOf = ({ topP = 1, topK = 0, repetitionPenalty = 1 }: GenerateRequest): Filters => ({ topP, topK, repetitionPenalty });

/** What a run of the graph says of the next tokens, [rows, vocabulary]: logits only where the plain softmax will not do. */
type Distributions = { readonly logits: Float32Array } | { readonly probabilities: Float32Array };

/** Positions of the longest prompt behind one of padding, which every row has. */
const paddedWidth = (prompts: readonly Int32Array[]): number => 1 + Math.max(...prompts.map((prompt) => prompt.length));

/** One batch of rows on its way. Prompts end together: shorter ones have padding on the left, hidden by the bias. */
class Rollout {
  private readonly cache: KeyValueCache;
  private readonly filters: Filters;
  private readonly endTokens: ReadonlySet<number>;
  private readonly width: number;

  constructor(
    private readonly name: string,
    private readonly configuration: ModelConfiguration,
    private readonly windows: readonly (number | undefined)[],
    private readonly session: InferenceSession,
    private readonly request: GenerateRequest,
    private rows: readonly Row[],
    private readonly matrices: Readonly<Record<string, Tensor>>,
    private readonly limits: GenerationLimits,
  ) {
    this.width = paddedWidth(rows.map((row) => row.prompt));
    this.cache = new KeyValueCache(configuration, rows.length, this.width + request.maxNewTokens);
    this.filters = filtersOf(request);
    this.endTokens = new Set(request.endTokens);
  }

  async finish(): Promise<void> {
    let output = await this.readPrompts();
    for (let step = 0; ; step++) {
      const live = this.draw(output, step);
      if (live.length === 0 || step + 1 === this.request.maxNewTokens) return;
      if (live.length <= this.rows.length * (1 - finishedShare)) {
        this.cache.keep(live);
        this.rows = live.map((slot) => this.rows[slot]!);
      }
      output = await this.run(1, (row) => row.tokens.at(-1)!);
    }
  }

  /** Fills the cache with the prompts and returns the distributions of the first new tokens. */
  private async readPrompts(): Promise<Distributions> {
    const bytesPerPosition = this.rows.length * this.configuration.heads * this.width * Float32Array.BYTES_PER_ELEMENT;
    const chunk = Math.max(1, Math.min(this.width, Math.floor(this.limits.scores / bytesPerPosition)));
    for (;;) {
      const positions = Math.min(chunk, this.width - this.cache.length);
      const output = await this.run(positions, (row, position) => row.prompt[position] ?? 0);
      if (this.cache.length === this.width) return output;
    }
  }

  /** Draws a token for every unfinished row and returns the slots of those that go on. */
  private draw(distributions: Distributions, step: number): readonly number[] {
    const live: number[] = [];
    const { vocabulary } = this.configuration;
    this.rows.forEach((row, slot) => {
      if (row.finished) return;
      const uniform = this.request.uniforms[row.index * this.request.maxNewTokens + step] ?? 0;
      const slice = (values: Float32Array) => values.subarray(slot * vocabulary, (slot + 1) * vocabulary);
      const drawn = "logits" in distributions
        ? drawFiltered(slice(distributions.logits), this.request.temperature, this.filters, row.seen, uniform)
        : drawPlain(slice(distributions.probabilities), uniform);
      validateDrawn(this.name, drawn.logProbability, { prompt: row.index, token: step });
      row.append(drawn);
      row.finished = this.endTokens.has(row.tokens.at(-1)!);
      if (!row.finished) live.push(slot);
    });
    return live;
  }

  /** @param tokenOf The token of a row at a position of its own, negative in the padding. */
  private async run(positions: number, tokenOf: (row: Row, position: number) => number): Promise<Distributions> {
    const { rows, cache } = this;
    const begin = cache.length;
    const tokens = new Int32Array(positions * rows.length);
    const places = new BigInt64Array(positions * rows.length);
    for (let offset = 0; offset < positions; offset++) {
      rows.forEach((row, slot) => {
        const position = begin + offset - this.padding(row);
        tokens[offset * rows.length + slot] = tokenOf(row, position);
        places[offset * rows.length + slot] = BigInt(Math.max(position, 0));
      });
    }
    const needsLogits = this.request.temperature === 0 || isFiltered(this.filters);
    const caches = Array.from({ length: this.configuration.layers }, (_, layer) => [newKeys(layer), newValues(layer)]).flat();
    const outputs = await this.session.run({
      tokens: new Tensor("int32", tokens, [tokens.length]),
      positions: new Tensor("int64", places, [places.length, 1]),
      shape: new Tensor("int64", BigInt64Array.of(BigInt(positions), BigInt(rows.length)), [2]),
      lengths: new Tensor("int64", BigInt64Array.of(BigInt(begin), BigInt(positions)), [2]),
      ...Object.fromEntries(this.windows.map((window) => [biasName(window), this.bias(positions, window)])),
      inverseTemperature: new Tensor("float32", Float32Array.of(1 / (this.request.temperature || 1)), [1]),
      ...cache.feeds(), ...this.matrices,
    }, [needsLogits ? "logits" : "probabilities", ...caches]);
    const floats = (name: string): Float32Array => floatsOf(outputs[name], name);
    cache.append(floats, positions);
    return needsLogits ? { logits: floats("logits") } : { probabilities: floats("probabilities") };
  }

  /** Hides each row's padding, and from each position of the chunk those behind it and those too far before it. */
  private bias(positions: number, window = Infinity): Tensor {
    const groups = this.configuration.heads / this.configuration.keyValueHeads;
    const queries = positions === 1 ? 1 : positions * groups;
    const begin = this.cache.length;
    const columns = begin + positions;
    const values = new Float32Array(this.rows.length * queries * columns);
    this.rows.forEach((row, slot) => {
      for (let query = 0; query < queries; query++) {
        const at = (slot * queries + query) * columns;
        const own = begin + (positions === 1 ? 0 : Math.floor(query / groups));
        const first = Math.max(this.padding(row), own + 1 - window);
        values.fill(hiddenBias, at, at + Math.min(first, columns));
        values.fill(hiddenBias, at + own + 1, at + columns);
      }
    });
    return new Tensor("float32", values, [this.rows.length, 1, queries, columns]);
  }

  private padding(row: Row): number {
    return this.width - row.prompt.length;
  }
}

function drawPlain(probabilities: Float32Array, uniform: number): Draw {
  const token = drawFrom(probabilities, uniform);
  const logProbability = Math.log(probabilities[token]!);
  return { token, logProbability, sampledLogProbability: logProbability };
}

function floatsOf(tensor: Tensor | undefined, name: string): Float32Array {
  if (tensor?.data instanceof Float32Array) return tensor.data;
  throw new TruelineError("TL_INTERNAL", `the graph gave no floats as ${name}`);
}
