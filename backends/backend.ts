import type { Targets } from "../models/adapter.js";
import type { Head } from "../models/configuration.js";
import type { Sum } from "./expressions.js";

/**
 * The boundary between the training loops and whatever holds the models. Batches and expressions go in, statistics
 * and per-token arrays come out; weights never cross it. All methods are asynchronous and reject with TruelineError.
 * Implementations: onnx/ (embedded), reference/ (fp64, slow, the oracle of the tests).
 */
export interface Backend {
  /** What computes: recorded with every attempt, because bytes repeat only on the same of these. */
  describe(): Promise<BackendDescription>;

  /** Loads a Hugging Face directory under a name of the caller's choosing; replaces a model of that name. */
  load(request: LoadRequest): Promise<ModelInformation>;

  /** Frees a model. */
  unload(model: string): Promise<void>;

  /**
   * Writes config.json and model.safetensors into an existing directory, in the layout of the model's head; of a model
   * that trains an adapter, adapter_config.json and adapter_model.safetensors in PEFT's layout, and nothing of what lies
   * under it. With `optimizer`, optimizer.safetensors too (both Adam moments and the update count). The files are complete
   * and fsynced when the promise resolves. Tokenizer files are the caller's.
   */
  save(model: string, directory: string, options: { readonly optimizer: boolean }): Promise<void>;

  /** Quantities of given tokens without gradient. */
  forward(model: string, request: ForwardRequest): Promise<ForwardResult>;

  /** Samples continuations with a KV cache. Rows finish at an end token; finished rows cost nothing more. */
  generate(model: string, request: GenerateRequest): Promise<GenerateResult>;

  /** Sums the gradients of all parts, clips them by global norm, and applies one AdamW update. */
  step(model: string, request: StepRequest): Promise<StepResult>;

  /** Ends the backend and frees what it holds; safe to call twice. */
  close(): Promise<void>;
}

export interface BackendDescription {
  readonly name: string;
  /** Versions of the libraries that compute, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** Processor or accelerator, in words. */
  readonly device: string;
  readonly threads: number;
}

export type { Head };

export interface LoadRequest {
  readonly model: string;
  /** Directory with config.json and *.safetensors. */
  readonly directory: string;
  /**
   * Directories of adapters in PEFT's layout that are folded into the weights, the first one first. A head that one brings
   * takes the place of the directory's.
   */
  readonly adapters?: readonly string[];
  readonly head: Head;
  /**
   * How the score or value head is made when the directory has none of the asked kind. `zero`; `normal` with standard
   * deviation 1/√(hidden + 1); `fromScore`: the directory's score head, as (score − mean) / std.
   */
  readonly newHead?:
    | { readonly init: "zero" }
    | { readonly init: "normal"; readonly seed: number }
    | { readonly init: "fromScore"; readonly mean: number; readonly std: number };
  /** Whether step() will be called: gradients and Adam moments are held only then. */
  readonly trainable: boolean;
  /**
   * An adapter is trained, and the score or value head with it: the weights stay as they are, and gradients and Adam moments
   * are held for the adapter and the head alone. A new one; or one that `save` has written, which brings its head along.
   */
  readonly adapter?: NewAdapter | { readonly directory: string };
  /** Reads optimizer.safetensors too, from the adapter's directory or else the model's; its absence or other shapes are an error. */
  readonly optimizer?: boolean;
}

/** Low-rank adaptation of linear layers: x · Aᵀ · Bᵀ · alpha / rank is added to x · Wᵀ. Source: Hu et al., arXiv 2106.09685. */
export interface NewAdapter {
  readonly rank: number;
  readonly alpha: number;
  readonly targets: Targets;
  /** A is drawn from it, uniform in ±1/√input; B is zero. */
  readonly seed: number;
  /** What adapter_config.json names as the model under the adapter. */
  readonly base?: string;
}

export interface ModelInformation {
  readonly parameters: number;
  /** How many of them step() changes. */
  readonly trained: number;
  readonly vocabulary: number;
  readonly context: number;
  /** True when the head was made by `newHead`. */
  readonly headIsNew: boolean;
}

/** Rows of tokens and which of them are asked about. How rows are padded or ordered is the backend's affair. */
export interface Batch {
  /** Token ids of each row, no padding. */
  readonly sequences: readonly Int32Array[];
  /** For each row the ascending indices (≥ 1) of its target tokens; may be empty. */
  readonly targets: readonly Int32Array[];
}

export type Quantity = "logProbabilities" | "entropy" | "values" | "scores";

/** What a forward pass can give: the quantities of expressions, and the states that a score would be read from. */
export type ForwardQuantity = Quantity | "features";

export interface ForwardRequest {
  readonly batch: Batch;
  readonly quantities: readonly ForwardQuantity[];
  /** Divides the logits before log-probabilities and entropy; default 1. */
  readonly temperature?: number;
  /** `off`: computes without the adapter that the model trains, as if only the weights under it were there. */
  readonly adapter?: "off";
}

/**
 * Arrays over tokens (all targets, row after row) or rows (scores). Features are hidden states after the last norm, of each
 * row's last token: [rows × hidden], of any model.
 */
export type ForwardResult = Partial<Record<ForwardQuantity, Float32Array>>;

export interface GenerateRequest {
  readonly prompts: readonly Int32Array[];
  readonly maxNewTokens: number;
  /** 0 means greedy. */
  readonly temperature: number;
  /** Keep the smallest set of tokens whose probability reaches this; default 1 (off). */
  readonly topP?: number;
  /** Keep this many most likely tokens; default 0 (off). */
  readonly topK?: number;
  /** Divides positive and multiplies negative logits of tokens already seen (prompt included); default 1 (off). */
  readonly repetitionPenalty?: number;
  /** A row ends with the first of these it samples; the end token belongs to the row. */
  readonly endTokens: readonly number[];
  /**
   * One uniform in [0, 1) for each row and step, row-major [prompts × maxNewTokens]: all the randomness there is. The
   * token drawn is the first, in order of ids, up to which the probabilities add up to more than the uniform. At
   * temperature 0 none is read, and the array may be empty.
   */
  readonly uniforms: Float32Array;
}

export interface GenerateResult {
  /** New tokens of each row, the end token included. */
  readonly tokens: readonly Int32Array[];
  /** Their log-probabilities at the temperature, before top-k, top-p and repetition penalty (at temperature 0: at 1). */
  readonly logProbabilities: readonly Float32Array[];
  /**
   * Their log-probabilities under the filtered distribution they were drawn from (at temperature 0: under the filters at
   * 1); only when a filter was on.
   */
  readonly sampledLogProbabilities?: readonly Float32Array[];
  /** Whether the row ended with an end token. */
  readonly finished: readonly boolean[];
}

/** One batch with its share of the loss. The loss of a step is the sum over its parts. */
export interface StepPart {
  readonly batch: Batch;
  /** Arrays that expressions name: over tokens (all targets, row after row) or over rows. */
  readonly arrays: Readonly<Record<string, Float32Array>>;
  readonly loss: Sum;
  readonly statistics: Readonly<Record<string, Sum>>;
  /** Divides the logits before log-probabilities and entropy; default 1. */
  readonly temperature?: number;
}

export interface StepRequest {
  readonly parts: readonly StepPart[];
  /** Absent: gradients are computed and reported, nothing is changed. */
  readonly optimizer?: OptimizerSettings;
  /** Asks for the gradient's norm by parameter (Hugging Face names); for tests. */
  readonly normsByParameter?: boolean;
}

/** AdamW with decoupled decay on matrices only (not on norms and biases). */
export interface OptimizerSettings {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** Scales the gradient down to this global norm; absent: no clipping. */
  readonly maxGradientNorm?: number;
}

export interface StepResult {
  /** The loss of each part. */
  readonly losses: readonly number[];
  /** The statistics of each part. */
  readonly statistics: readonly Readonly<Record<string, number>>[];
  /** Global L2 norm before clipping. When it is not finite nothing was changed. */
  readonly gradientNorm: number;
  readonly normsByParameter?: Readonly<Record<string, number>>;
}
