import { availableParallelism } from "node:os";
import { z } from "zod";
import { TruelineError } from "../../foundation/errors.js";
import { heads } from "../../models/configuration.js";
import { type AdapterDescription, writeAdapterConfiguration } from "../../models/adapter-files.js";
import { usualShardBytes } from "../../models/safetensors.js";
import type { Backend, LoadRequest, ModelInformation } from "../backend.js";
import { parseResult } from "../messages.js";
import { checkLoad, headRecipe } from "../model-files.js";
import { validateDrawn, validateForward, validateGenerate, validateStep, type ModelTraits } from "../validate.js";
import { adaptersOf } from "./adapters.js";
import { ProcessGroup } from "./processes.js";
import { findPython, packageFolder } from "./python.js";

export interface TorchBackendOptions {
  /** Interpreter; default: TRUELINE_PYTHON, else that of a .venv. */
  readonly python?: string;
  /** Processes under torchrun, one a GPU, among which rows are shared and weights are sharded; default 1. */
  readonly processes?: number;
  /** Threads of all processes together; default one a core. */
  readonly threads?: number;
  readonly device?: "auto" | "cpu" | "cuda";
  /** What is computed in; trained weights, gradients and Adam's moments are float32 in both. Default float32. */
  readonly dtype?: "float32" | "bfloat16";
  /** Padded tokens that a process computes at once; default: so that their logits fill at most 1 GiB. */
  readonly pieceTokens?: number;
  /** Computes layers a second time for their gradient instead of keeping what they need for it. */
  readonly activationCheckpointing?: boolean;
  /** Keeps weights, gradients and moments in the host's memory between uses. */
  readonly offload?: boolean;
  /** vLLM samples instead of the processes' own loop, and takes `memoryShare` of each GPU's memory while it does. */
  readonly vllm?: { readonly memoryShare: number };
  /** Bytes of weights in one file, at most; default 5 GB, as in transformers. */
  readonly shardBytes?: number;
  /** A call without a sign of life for this long fails with TL_STAGE_STALLED; default 3600. */
  readonly stallSeconds?: number;
  /** Ends the backend at once when aborted; what is under way rejects with TL_BACKEND_CLOSED. */
  readonly signal?: AbortSignal;
}

/** Memory that a process holds, in bytes: residentBytes, and on a GPU gpuBytes, gpuFreeBytes, gpuAllocatedBytes, gpuPeakBytes. */
export type Figures = Readonly<Record<string, number>>;

export interface TorchBackend extends Backend {
  /** What each process holds, by rank. */
  figures(): Promise<readonly Figures[]>;
}

const stored = z.strictObject({
  head: z.enum(heads), hidden: z.number().int(),
  layers: z.array(z.strictObject({ module: z.string(), input: z.number(), output: z.number(), inputFirst: z.boolean() })),
});
const loaded = z.strictObject({
  parameters: z.number(), trained: z.number(), headModule: z.string().nullable(), vocabulary: z.number(), context: z.number(), headIsNew: z.boolean(), languageHead: z.boolean(),
});
const figuresForm = z.array(z.record(z.string(), z.number()));

/**
 * Starts the backend on PyTorch: Python processes that end with `close`, with the signal, or with this process, whatever
 * ends it. Models are whatever transformers loads as a causal language model.
 * @throws TL_BACKEND_PYTHON_MISSING, TL_BACKEND_PROVIDER_MISSING (no GPU for a process), TL_BACKEND_LOST.
 */
export async function startTorchBackend(options: TorchBackendOptions = {}): Promise<TorchBackend> {
  const { processes = 1, threads = availableParallelism(), stallSeconds = 3600, signal } = options;
  const each = Math.max(1, Math.floor(threads / processes));
  const group = await ProcessGroup.start({
    python: await findPython(options.python, options.vllm === undefined ? [] : ["vllm"]), packageFolder, processes, signal, stallSeconds,
    environment: environmentOf(each),
    settings: {
      device: options.device ?? "auto", dtype: options.dtype ?? "float32", threads: each, piece_tokens: options.pieceTokens ?? null,
      activation_checkpointing: options.activationCheckpointing ?? false, offload: options.offload ?? false,
      shard_bytes: options.shardBytes ?? usualShardBytes, vllm_memory: options.vllm?.memoryShare ?? null,
    },
  });
  return backendOn(group);
}

const environmentOf = (threads: number): Readonly<Record<string, string>> => ({
  OMP_NUM_THREADS: String(threads),
  // cuBLAS repeats its bytes only with a workspace of its own for each stream
  CUBLAS_WORKSPACE_CONFIG: ":4096:8",
  HF_HUB_OFFLINE: "1", TOKENIZERS_PARALLELISM: "false", TRANSFORMERS_VERBOSITY: "error",
  PYTHONDONTWRITEBYTECODE: "1", PYTHONUNBUFFERED: "1",
  // an engine in the process, beside the models whose weights it takes
  VLLM_ENABLE_V1_MULTIPROCESSING: "0", VLLM_LOGGING_LEVEL: "ERROR", VLLM_NO_USAGE_STATS: "1",
});

/** A model as this side knows it. */
interface Held {
  readonly traits: ModelTraits;
  /** The adapter that it trains. */
  readonly adapter?: { readonly description: AdapterDescription; readonly headModules: readonly string[] };
}

function backendOn(group: ProcessGroup): TorchBackend {
  const models = new Map<string, Held>();
  let last: Promise<unknown> = Promise.resolve();
  /** One after the other, in the order of the calls: a request is checked against the models there are when its turn comes. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(() => {
      group.checkOpen();
      return work();
    });
    last = done.catch(() => undefined);
    return done;
  };
  const ask = async (method: string, ...parameters: readonly unknown[]): Promise<unknown> => (await group.call(method, parameters))[0];
  const held = (name: string): Held => {
    const found = models.get(name);
    if (found !== undefined) return found;
    throw new TruelineError("TL_BACKEND_MODEL_UNKNOWN", `no model "${name}" is loaded`, { hint: `Loaded: ${[...models.keys()].join(", ") || "none"}.` });
  };

  async function load(request: LoadRequest): Promise<ModelInformation> {
    checkLoad(request);
    const { model: name, directory, head, trainable, optimizer = false } = request;
    const { head: directoryHead, hidden, layers } = stored.parse(await ask("inspect", directory));
    const { adapters, adapter, adapterHead, description } = await adaptersOf(request, layers);
    const storedHead = adapterHead ?? directoryHead;
    const newHead = head === "language" || head === storedHead ? null : headRecipe(request, storedHead, hidden);
    const asked = { model: name, directory, adapters, head, trainable, adapter, optimizer };
    const { languageHead, headModule, ...information } = loaded.parse(await ask("load", asked, newHead));
    const { vocabulary, context } = information;
    models.set(name, {
      traits: { name, head, languageHead, vocabulary, context, trainable, adapter: description !== undefined },
      adapter: description && { description: { ...description, head }, headModules: headModule === null ? [] : [headModule] },
    });
    return information;
  }

  return {
    describe: () => inTurn(async () => parseResult.describe(await ask("describe"))),
    figures: () => inTurn(async () => figuresForm.parse(await group.call("figures", []))),
    load: (request) => inTurn(() => load(request)),
    unload: (name) => inTurn(async () => {
      held(name);
      models.delete(name);
      await ask("unload", name);
    }),
    save: (name, directory, { optimizer }) => inTurn(async () => {
      const { traits, adapter } = held(name);
      if (optimizer && !traits.trainable) {
        throw new TruelineError("TL_BACKEND_NOT_TRAINABLE", `the model "${name}" was loaded for reading only and has no optimizer state`);
      }
      await ask("save", name, directory, optimizer);
      if (adapter !== undefined) await writeAdapterConfiguration(directory, adapter.description, adapter.headModules);
    }),
    forward: (name, request) => inTurn(async () => {
      validateForward(held(name).traits, request);
      return parseResult.forward(await ask("forward", name, request));
    }),
    generate: (name, request) => inTurn(async () => {
      validateGenerate(held(name).traits, request);
      const result = parseResult.generate(await ask("generate", name, request));
      result.logProbabilities.forEach((row, prompt) => row.forEach((value, token) => validateDrawn(name, value, { prompt, token })));
      return result;
    }),
    step: (name, request) => inTurn(async () => {
      validateStep(held(name).traits, request);
      return parseResult.step(await ask("step", name, request));
    }),
    close: () => group.close(),
  };
}
