import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Backend } from "../../backends/backend.js";
import { parseParameters } from "../../backends/messages.js";
import { createReferenceBackend } from "../../backends/reference/index.js";
import type { DialogueRow, Message, PairRow, PromptRow, TextRow } from "../../data/types.js";
import { sha256 } from "../../foundation/canonical.js";
import { trainBytePairs, writeTokenizer } from "../../models/bpe.js";
import { initializeModel } from "../../models/initialize.js";
import { Tokenizer } from "../../models/tokenizer.js";
import type { ArtifactMetadata } from "../../schemas/artifact.js";
import { runTrainer } from "../../training/loop.js";
import type { InputArtifact, StageData, Trainer } from "../../training/trainer.js";

/** A directory that is gone when the test ends. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "trueline-training-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

type TinyModel = InputArtifact & { readonly tokenizer: Tokenizer };

/** A one-layer model of a few thousand weights with a byte tokenizer, initialised from `seed`; in a directory that goes with the test. */
export async function tinyModel(seed: number, context?: number, others?: Parameters<typeof writeTinyModel>[3]): Promise<TinyModel> {
  return writeTinyModel(await temporaryDirectory(), seed, context, others);
}

export async function writeTinyModel(directory: string, seed: number, context = 48, { hidden = 8, isolateHan = true } = {}): Promise<TinyModel> {
  await writeTokenizer(directory, await trainBytePairs(["a"], { vocabulary: 261, isolateHan }));
  const { vocabulary, endTokens, padToken } = await Tokenizer.load(directory);
  await initializeModel(directory, {
    family: "llama", vocabulary, hidden, layers: 1, heads: 2, keyValueHeads: 2, headSize: hidden / 2, intermediate: 16, context,
    ropeTheta: 10000, normEpsilon: 1e-6, tiedEmbeddings: true, attentionBias: false, outputBias: false, mlpBias: false,
    endTokens: [...endTokens], padToken,
  }, seed);
  return { type: "language-model", directory, metadata: { figures: {} }, tokenizer: await Tokenizer.load(directory) };
}

/** A reward model with a random head on a random body: something to climb, whatever it means. */
export async function tinyRewardModel(seed: number, context = 48): Promise<InputArtifact> {
  const directory = await temporaryDirectory();
  await writeTinyRewardModel(directory, await tinyModel(seed, context), seed);
  return { type: "reward-model", directory, metadata: { figures: {}, scoreNormalization: { mean: 0.1, std: 0.5 } } };
}

/** Puts a random score head on a body. */
export async function writeTinyRewardModel(directory: string, body: TinyModel, seed: number): Promise<void> {
  const backend = createReferenceBackend();
  await backend.load({ model: "rm", directory: body.directory, head: "score", newHead: { init: "normal", seed }, trainable: false });
  await backend.save("rm", directory, { optimizer: false });
  await body.tokenizer.copyTo(directory);
  await backend.close();
}

/** The oracle, as strict about what it is called with as a backend in a process of its own. */
export function referenceBackend(): Backend {
  const backend = createReferenceBackend();
  onTestFinished(() => backend.close());
  return {
    ...backend,
    load: (...given) => backend.load(...parseParameters.load(given)),
    forward: (...given) => backend.forward(...parseParameters.forward(given)),
    generate: (...given) => backend.generate(...parseParameters.generate(given)),
    step: (...given) => backend.step(...parseParameters.step(given)),
  };
}

const source = (line: number) => ({ file: "test.jsonl", line });
export const user = (content: string): Message => ({ role: "user", content });
export const assistant = (content: string): Message => ({ role: "assistant", content });

export const textRow = (text: string, line = 1): TextRow => ({ text, source: source(line), tags: {} });
export const dialogueRow = (messages: readonly Message[], line = 1): DialogueRow => ({ messages, source: source(line), tags: {} });
export const promptRow = (content: string, tags: Readonly<Record<string, string>> = {}): PromptRow => ({ messages: [user(content)], source: source(1), tags });
export const pairRow = (prompt: string, chosen: string, rejected: string): PairRow => ({ prompt: [user(prompt)], chosen, rejected, source: source(1), tags: {} });

const nothing = { train: [], heldOut: [] };
export const stageData = (parts: Partial<StageData>): StageData => ({
  text: nothing, dialogues: nothing, pairs: nothing, prompts: nothing, questions: nothing, counts: { sample: { read: 0 } }, ...parts,
});

/** What a stage left behind: digests of its files by name, its metadata, and its metrics. */
export interface Outcome {
  readonly directory: string;
  readonly files: Readonly<Record<string, string>>;
  readonly metadata: ArtifactMetadata;
  readonly metrics: readonly Readonly<Record<string, number>>[];
}

/** A setup that needs only what this attempt knows: the backend, and the checkpoint to continue from. */
export type Start = (attempt: {
  readonly backend: Backend; readonly resume?: { readonly directory: string; readonly steps: number };
  readonly phase: (text: string) => void;
  readonly files?: Readonly<Record<string, { readonly path: string }>>;
  readonly replies?: string;
}) => Promise<Trainer>;

/** Gives a backend to a test. */
export type MakeBackend = () => Backend | Promise<Backend>;

/** Runs a stage to its end in one go. */
export async function runToEnd(
  start: Start, options: { readonly resume?: { readonly directory: string; readonly steps: number }; readonly makeBackend?: MakeBackend } = {},
): Promise<Outcome> {
  const directory = await temporaryDirectory();
  const [workspace, output] = [join(directory, "workspace"), join(directory, "output")];
  await mkdir(workspace);
  await mkdir(output);
  const trainer = await start({ backend: await (options.makeBackend ?? referenceBackend)(), resume: options.resume, phase: () => {} });
  const metadata = await runTrainer(trainer, {
    stage: "stage", workspace, output, resume: options.resume, cadence: { everySeconds: Infinity }, onProgress: () => {},
    openCheckpoint: async () => { throw new Error("no checkpoint is due"); },
  });
  if ("guard" in metadata || "rung" in metadata) throw new Error("there are neither guards nor rungs");
  return { directory: output, files: await digests(output), metadata, metrics: await readMetrics(output) };
}

/** Runs a stage and stops it after `steps` steps: the checkpoint that it leaves. */
export async function runStopped(
  start: Start, steps: number, makeBackend: MakeBackend = referenceBackend,
): Promise<{ readonly directory: string; readonly steps: number }> {
  const directory = await temporaryDirectory();
  const [workspace, output, checkpoint] = ["workspace", "output", "checkpoint"].map((name) => join(directory, name));
  for (const path of [workspace, output, checkpoint]) await mkdir(path!);
  const stop = new AbortController();
  const trainer = await start({ backend: await makeBackend(), phase: () => {} });
  let published = -1;
  await runTrainer(trainer, {
    stage: "stage", workspace: workspace!, output: output!, cadence: { everySeconds: Infinity }, signal: stop.signal,
    onProgress: ({ step }) => { if (step === steps) stop.abort(); },
    openCheckpoint: async (at) => ({ directory: checkpoint!, publish: async () => { published = at; } }),
  }).then(() => { throw new Error("the stage was not stopped"); }, (error: unknown) => {
    if (!(error instanceof Error && "code" in error && error.code === "TL_TRAIN_CANCELLED")) throw error;
  });
  return { directory: checkpoint!, steps: published };
}

/** Runs a stage, stops it after `steps` steps, and continues in a new process's stead: new backend, new trainer. */
export async function runInterrupted(start: Start, steps: number, makeBackend: MakeBackend = referenceBackend): Promise<Outcome> {
  return runToEnd(start, { resume: await runStopped(start, steps, makeBackend), makeBackend });
}

export async function digests(directory: string): Promise<Record<string, string>> {
  const names = (await readdir(directory)).sort();
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, sha256(await readFile(join(directory, name)))])));
}

async function readMetrics(directory: string): Promise<Record<string, number>[]> {
  const text = await readFile(join(directory, "metrics.jsonl"), "utf8");
  return text.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, number>);
}
