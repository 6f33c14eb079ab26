import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { writeDurably } from "../foundation/files.js";
import type { Head } from "./architecture.js";
import { type AdaptableLayer, adapterNames, adapterShapes, isOfAdapter } from "./adapter.js";
import { readJson } from "./json-file.js";
import { checkTensors } from "./parameters.js";
import { type Tensor, readSafetensors, writeSafetensors } from "./safetensors.js";

export const ADAPTER_CONFIGURATION = "adapter_config.json";
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";

/** What PEFT puts before a module's name. */
const prefix = "base_model.model.";

/** An adapter as its adapter_config.json tells it. */
export interface AdapterDescription {
  readonly rank: number;
  readonly alpha: number;
  /** What the product of the two matrices is multiplied by: alpha / rank, or alpha / √rank where the file says so. */
  readonly scale: number;
  readonly targets: readonly string[];
  /** The head that the adapter was trained with. Its weights lie in the adapter's file. */
  readonly head: Head;
  /** What the adapter stands on: the path of a model, or the digest of an artifact. */
  readonly base?: string;
  /** Whether the matrices belong to weights that lie [input, output] in files. */
  readonly inputFirst: boolean;
}

const tasks = { CAUSAL_LM: "language", SEQ_CLS: "score", TOKEN_CLS: "value" } as const satisfies Record<string, Head>;
const taskOf = { language: "CAUSAL_LM", score: "SEQ_CLS", value: "TOKEN_CLS" } as const satisfies Record<Head, keyof typeof tasks>;

const adapterJson = z.looseObject({
  peft_type: z.string(),
  task_type: z.string().nullish(),
  base_model_name_or_path: z.string().nullish(),
  r: z.number().int().positive(),
  lora_alpha: z.number().positive(),
  target_modules: z.union([z.string(), z.array(z.string())]).nullish(),
  fan_in_fan_out: z.boolean().default(false),
  use_rslora: z.boolean().default(false),
});
type AdapterJson = z.output<typeof adapterJson>;

/** Members whose presence means other arithmetic than W + scale · B · A, with what they are when they mean nothing. */
const plainOnly = [
  "use_dora", "use_qalora", "lora_bias", "rank_pattern", "alpha_pattern", "layer_replication", "target_parameters", "trainable_token_indices",
  "alora_invocation_tokens", "use_bdlora", "arrow_config", "kasa_config", "velora_config", "monteclora_config",
] as const;

/** Whether a directory holds an adapter rather than a whole model. */
export async function isAdapter(directory: string): Promise<boolean> {
  const isThere = (name: string) => stat(join(directory, name)).then((found) => found.isFile(), () => false);
  return await isThere(ADAPTER_CONFIGURATION) && !await isThere("config.json");
}

/** Where the tokenizer of an adapter's directory lies: in it, or else in the nearest of those under it, which come the lowest first, that has one. */
export async function tokenizerDirectory(adapter: string, under: readonly { readonly path: string }[]): Promise<string> {
  for (const directory of [adapter, ...under.map(({ path }) => path).reverse()]) {
    if (await stat(join(directory, "tokenizer.json")).then((found) => found.isFile(), () => false)) return directory;
  }
  return adapter;
}

/** Reads adapter_config.json. @throws TL_MODEL_MISSING, TL_MODEL_CONFIGURATION, TL_MODEL_UNSUPPORTED, naming file and field. */
export async function describeAdapter(directory: string): Promise<AdapterDescription> {
  const path = join(directory, ADAPTER_CONFIGURATION);
  const config = await readJson(path, adapterJson);
  if (config === undefined) {
    throw new TruelineError("TL_MODEL_MISSING", `${path} is not there`, { hint: `An adapter's directory has ${ADAPTER_CONFIGURATION} and ${ADAPTER_WEIGHTS}, as PEFT saves them.` });
  }
  const task = config.task_type ?? "CAUSAL_LM";
  const head = Object.entries(tasks).find(([name]) => name === task)?.[1];
  const refused = head === undefined ? `task_type ${JSON.stringify(task)}` : refusalOf(config);
  if (head === undefined || refused !== undefined) {
    throw new TruelineError("TL_MODEL_UNSUPPORTED", `${path}: it asks for ${refused}`, {
      hint: `Supported: peft_type "LORA" of one rank and alpha, without biases, for the tasks ${Object.keys(tasks).join(", ")}.`,
    });
  }
  const { r: rank, lora_alpha: alpha, target_modules: targets, base_model_name_or_path: base } = config;
  return {
    rank, alpha, scale: alpha / (config.use_rslora ? Math.sqrt(rank) : rank), head, inputFirst: config.fan_in_fan_out,
    targets: [targets ?? []].flat(), ...(base != null && { base }),
  };
}

function refusalOf(config: AdapterJson): string | undefined {
  if (config.peft_type !== "LORA") return `peft_type ${JSON.stringify(config.peft_type)}`;
  if (config.bias !== undefined && config.bias !== "none") return `bias ${JSON.stringify(config.bias)}`;
  const field = plainOnly.find((name) => asksForSomething(config[name]));
  return field && `${field} ${JSON.stringify(config[field])}`;
}

const asksForSomething = (value: unknown): boolean =>
  typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value);

/** An adapter's tensors by their names in the model: its matrices, and the head's weights where it was trained with one. */
export interface AdapterTensors {
  readonly matrices: ReadonlyMap<string, Tensor>;
  readonly head: ReadonlyMap<string, Tensor>;
}

/**
 * Reads adapter_model.safetensors.
 * @param layers those of the model that it is put on. @param head shapes of the head that it was trained with.
 * @throws TL_MODEL_MISSING, TL_MODEL_FILE, TL_MODEL_TENSORS naming the tensor.
 */
export async function readAdapter(
  directory: string, { rank }: AdapterDescription, layers: readonly AdaptableLayer[], head: ReadonlyMap<string, readonly number[]>,
): Promise<AdapterTensors> {
  const path = join(directory, ADAPTER_WEIGHTS);
  const stored = (await readSafetensors(path)).tensors;
  const tensors = new Map([...stored].map(([name, tensor]) => [name.startsWith(prefix) ? name.slice(prefix.length) : name, tensor]));
  const adapted = layers.filter(({ module }) => Object.values(adapterNames(module)).some((name) => tensors.has(name)));
  const shapes = adapterShapes(adapted, rank);
  const stranger = [...tensors.keys()].find((name) => !shapes.has(name) && !head.has(name));
  if (stranger !== undefined || adapted.length === 0) {
    throw new TruelineError("TL_MODEL_TENSORS", stranger === undefined ? `${path} has no tensors of an adapter` : `${path}: tensor ${stranger} belongs to no layer of the model`, {
      hint: "The adapter was made for another model.",
    });
  }
  checkTensors(tensors, new Map([...shapes, ...head]), path);
  const pick = (names: Iterable<string>) => new Map([...names].map((name) => [name, tensors.get(name)!]));
  return { matrices: pick(shapes.keys()), head: pick(head.keys()) };
}

/** Writes adapter_config.json in the form that PEFT loads. */
export async function writeAdapterConfiguration(directory: string, adapter: AdapterDescription, headModules: readonly string[]): Promise<void> {
  const { rank, alpha, targets, head, base = null, inputFirst } = adapter;
  const config = {
    peft_type: "LORA", task_type: taskOf[head], base_model_name_or_path: base, inference_mode: true,
    r: rank, lora_alpha: alpha, lora_dropout: 0, target_modules: targets, modules_to_save: headModules.length === 0 ? null : headModules,
    bias: "none", fan_in_fan_out: inputFirst, use_rslora: false, use_dora: false, rank_pattern: {}, alpha_pattern: {}, init_lora_weights: true,
  };
  await writeDurably(join(directory, ADAPTER_CONFIGURATION), `${JSON.stringify(config, undefined, 2)}\n`);
}

/** Writes an adapter's files, whole and fsynced. @param tensors its matrices and head by their names in the model. */
export async function writeAdapter(directory: string, adapter: AdapterDescription, tensors: ReadonlyMap<string, Tensor>): Promise<void> {
  const headNames = [...tensors.keys()].filter((name) => !isOfAdapter(name));
  await writeAdapterConfiguration(directory, adapter, headModulesOf(headNames));
  await writeSafetensors(join(directory, ADAPTER_WEIGHTS), [...tensors].map(([name, tensor]) => [prefix + name, tensor] as const));
}

/** The modules that a head's parameters belong to. */
const headModulesOf = (names: readonly string[]): readonly string[] =>
  [...new Set(names.map((name) => name.slice(0, name.lastIndexOf("."))))];
