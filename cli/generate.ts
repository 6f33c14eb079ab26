import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Backend } from "../backends/backend.js";
import { TruelineError } from "../foundation/errors.js";
import { randomAt } from "../foundation/random.js";
import { fewNames } from "../foundation/text.js";
import { describeAdapter, isAdapter, tokenizerDirectory } from "../models/adapter-files.js";
import { type ModelOutline, outlineModel } from "../models/outline.js";
import { Tokenizer } from "../models/tokenizer.js";
import type { ModelWeights } from "../training/trainer.js";
import { defineCommand, jsonOption } from "./command.js";
import { decimalNumber, wholeNumber } from "./numbers.js";
import { checkedWeights, stageArtifact } from "./stage-artifact.js";
import { openStore } from "./store.js";

/** More than any machine has processors; with very many the backend never starts. */
const mostThreads = 1024;

/** `trueline generate MODEL PROMPT`: one continuation on stdout. */
export const generateCommand = defineCommand({
  name: "generate",
  arguments: "<model> <prompt>",
  summary: "continue a prompt with a model: a directory, or RUN/STAGE",
  details: "Prints the answer alone. The prompt is a user's message, put into the model's chat template; with --raw it is text to go on from.",
  examples: [
    "trueline generate quickstart-20260101-abcdef/ppo \"Where is the lamp?\"",
    "trueline generate ./my-model \"Once upon a time\" --raw --temperature 0 --max-tokens 40",
    "trueline generate ./my-adapter \"Where is the lamp?\" --base ./qwen2 --backend torch",
  ],
  options: {
    raw: { flags: "--raw", summary: "the prompt is plain text, not a chat message", schema: z.boolean().default(false) },
    maxTokens: { flags: "--max-tokens <number>", summary: "longest answer in tokens", schema: wholeNumber(1).default(128) },
    temperature: { flags: "--temperature <number>", summary: "0 takes the likeliest token each time", schema: decimalNumber("a number, 0 or more", (value) => value >= 0).default(0.8) },
    topP: { flags: "--top-p <share>", summary: "sample from the likeliest tokens that make up this share", schema: decimalNumber("a number above 0, at most 1", (value) => value > 0 && value <= 1).default(1) },
    topK: { flags: "--top-k <number>", summary: "sample from this many likeliest tokens; 0 is all", schema: wholeNumber(0).default(0) },
    seed: { flags: "--seed <number>", summary: "the same seed gives the same answer", schema: wholeNumber(0).default(0) },
    base: { flags: "--base <directory>", summary: "the whole model under an adapter in PEFT's files", schema: z.string().min(1).optional() },
    backend: { flags: "--backend <name>", summary: "onnx, or torch for what transformers loads, where Python with torch is", schema: z.enum(["onnx", "torch"]).default("onnx") },
    threads: { flags: "--threads <number>", summary: "processor threads; default one a core", schema: wholeNumber(1, mostThreads).optional() },
    json: jsonOption,
  },
  async run({ arguments: [model = "", prompt = ""], options, output }) {
    if (!options.raw && prompt.trim() === "") {
      throw new TruelineError("TL_GENERATE_PROMPT", "The prompt is empty.", { hint: "Ask something; --raw with an empty prompt lets the model begin a text." });
    }
    const { directory, weights } = await namedModel(model, options.base);
    const [{ context, head, endTokens: modelsEnds }, tokenizer] = await Promise.all([outlineFor(weights.directory, options.backend), Tokenizer.load(directory)]);
    if (head !== "language") throw new TruelineError("TL_GENERATE_MODEL", `${model} has a ${head} head; it generates nothing.`);
    const tokens = promptTokens(tokenizer, prompt, options.raw);
    const room = context - tokens.length;
    if (room < 1) {
      throw new TruelineError("TL_GENERATE_PROMPT", `The prompt has ${tokens.length} tokens, and the model's context is ${context}.`);
    }
    const maxNewTokens = Math.min(options.maxTokens, room);
    if (room < options.maxTokens) output.note(`The context of ${context} tokens leaves room for ${room}.`);
    const endTokens = tokenizer.endTokens.length > 0 ? tokenizer.endTokens : modelsEnds;
    const random = randomAt(options.seed, "generate");
    const backend = await startBackend(options);
    try {
      await backend.load({ model: "model", ...weights, head: "language", trainable: false });
      const { tokens: [answer = new Int32Array()], finished: [finished = false], logProbabilities: [logProbabilities] } = await backend.generate("model", {
        prompts: [tokens], maxNewTokens, temperature: options.temperature, topP: options.topP, topK: options.topK, endTokens,
        uniforms: Float32Array.from({ length: maxNewTokens }, () => random.uniform()),
      });
      const text = continuation(tokenizer, tokens, finished ? answer.subarray(0, -1) : answer);
      if (options.json) output.json({ text, finished, tokens: [...answer], logProbabilities: [...logProbabilities ?? []] });
      else output.data(text);
      return 0;
    } finally {
      await backend.close();
    }
  },
});

/** Backends take a while to load: only the one that is asked for. */
async function startBackend({ backend, threads }: { readonly backend: "onnx" | "torch"; readonly threads?: number | undefined }): Promise<Backend> {
  switch (backend) {
    case "onnx": return (await import("../backends/onnx/index.js")).startOnnxBackend({ threads });
    case "torch": return (await import("../backends/torch/index.js")).startTorchBackend({ threads });
  }
}

/** Errors: TL_MODEL_UNSUPPORTED where the backend does not compute it. */
async function outlineFor(directory: string, backend: "onnx" | "torch"): Promise<ModelOutline> {
  const outline = await outlineModel(directory);
  if (backend === "torch" || outline.refusal === undefined) return outline;
  throw new TruelineError("TL_MODEL_UNSUPPORTED", outline.refusal.message, { hint: "Add --backend torch, which computes what transformers loads, where Python with torch is." });
}

/** A model's own files, and what its weights are made of. */
interface NamedModel {
  readonly directory: string;
  readonly weights: ModelWeights;
}

/** A directory as it is, an adapter's on its base; else the artifact of RUN/STAGE, an adapter with what it stands on. */
async function namedModel(model: string, base: string | undefined): Promise<NamedModel> {
  if (await isAdapter(model)) return onBase(model, base);
  if (base !== undefined) {
    throw new TruelineError("TL_USAGE", `--base names the model under an adapter's directory, and ${model} is none.`, { hint: "Leave --base out." });
  }
  if (await holds(model, "config.json")) return { directory: model, weights: { directory: model, adapters: [] } };
  const isDirectory = await stat(model).then((found) => found.isDirectory(), () => false);
  if (isDirectory) {
    throw new TruelineError("TL_GENERATE_MODEL", `${model} is a directory and holds no model: there is no config.json in it.`, {
      hint: "Name the directory that holds config.json, model.safetensors and the tokenizer's files.",
    });
  }
  const [run, stage, ...rest] = model.split("/");
  if (!run || !stage || rest.length > 0) {
    throw new TruelineError("TL_GENERATE_MODEL", `${model} is neither a directory with a config.json nor RUN/STAGE.`, { hint: await stagesToName(run) });
  }
  const store = openStore();
  await store.runs.read(run).catch((error: unknown) => {
    if (!(error instanceof TruelineError && error.code === "TL_STORE_MISSING")) throw error;
    throw new TruelineError(error.code, `There is no directory ${model}, and no run "${run}" in ${store.home}.`, { hint: error.hint });
  });
  const { digest, directory } = await stageArtifact(store, run, stage, ["language-model"]);
  const fault = await store.artifacts.fault(digest, { deep: true });
  if (fault !== undefined) throw new TruelineError("TL_STORE_CORRUPT", `The artifact of ${stage} is damaged: ${fault}`);
  return { directory, weights: await checkedWeights(store, digest) };
}

/** What may stand behind the name of a run; undefined where it is none. */
async function stagesToName(run: string | undefined): Promise<string | undefined> {
  const plan = run ? await openStore().runs.plan(run).catch(() => undefined) : undefined;
  const names = plan?.stages.flatMap(({ name, output }) => output === "language-model" ? [`${run}/${name}`] : []) ?? [];
  return names.length === 0 ? undefined : `Name a stage of the run: ${fewNames(names)}`;
}

/** An adapter's directory with the whole model that it stands on. Its tokenizer is its own, or else that of the model. */
async function onBase(adapter: string, base: string | undefined): Promise<NamedModel> {
  if (base === undefined || !await holds(base, "config.json")) {
    const { base: named } = await describeAdapter(adapter);
    throw new TruelineError("TL_GENERATE_MODEL", base === undefined ? `${adapter} holds an adapter, not the model under it.` : `${base} holds no whole model: there is no config.json in it.`, {
      hint: `Name the directory of the model under it with --base${named === undefined ? "" : `; its adapter_config.json calls that ${JSON.stringify(named)}`}. \`trueline export --merge\` makes a whole model of a stage's adapter.`,
    });
  }
  return { directory: await tokenizerDirectory(adapter, [{ path: base }]), weights: { directory: base, adapters: [adapter] } };
}

const holds = (directory: string, file: string): Promise<boolean> => stat(join(directory, file)).then((found) => found.isFile(), () => false);

/** Raw text gets the begin token where the model has one, as in training; nothing at all starts where documents start. */
function promptTokens(tokenizer: Tokenizer, prompt: string, raw: boolean): Int32Array {
  if (!raw) return tokenizer.encodePrompt([{ role: "user", content: prompt }]);
  const text = tokenizer.encode(prompt);
  if (tokenizer.beginToken !== undefined) return Int32Array.from([tokenizer.beginToken, ...text]);
  const start = tokenizer.endTokens[0];
  if (text.length > 0) return text;
  if (start === undefined) throw new TruelineError("TL_GENERATE_PROMPT", "The prompt is empty.");
  return Int32Array.of(start);
}

/** What the answer adds to the prompt's text: decoded alone, some tokenizers would drop its first space. */
function continuation(tokenizer: Tokenizer, prompt: Int32Array, answer: Int32Array): string {
  const before = tokenizer.decode(prompt, { skipSpecial: true });
  const whole = tokenizer.decode([...prompt, ...answer], { skipSpecial: true });
  return whole.startsWith(before) ? whole.slice(before.length) : tokenizer.decode(answer, { skipSpecial: true });
}
