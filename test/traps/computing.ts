import { Context } from "@temporalio/activity";
import { MockActivityEnvironment } from "@temporalio/testing";
import { DefaultLogger } from "@temporalio/worker";
import { fork, type ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { attemptStage } from "../../activities/stage.js";
import { trainStage, type StartBackend } from "../../activities/train.js";
import type { Backend, GenerateRequest, LoadRequest } from "../../backends/backend.js";
import { createOnnxBackend } from "../../backends/onnx/embedded.js";
import { connectBackend } from "../../backends/rpc.js";
import { sha256 } from "../../foundation/canonical.js";
import { digestModelDirectory } from "../../models/directory-digest.js";
import type { PlanInput, PlannedStage } from "../../schemas/plan.js";
import type { DataFormat } from "../../schemas/spec.js";
import { stageKinds, type DataUse, type StageKind } from "../../schemas/stages/table.js";
import type { StageEnd } from "../../schemas/task.js";
import { Store } from "../../store/store.js";
import { plannedStage } from "../store/home.js";
import { digests, writeTinyModel, writeTinyRewardModel } from "../training/support.js";

/** Models and data of a few bytes in a directory, and stores beside them. */
export class Bench {
  private stores = 0;

  private constructor(readonly directory: string) {}

  static async create(): Promise<Bench> {
    const bench = new Bench(await mkdtemp(join(tmpdir(), "trueline-traps-")));
    for (const name of ["policy", "body", "reward"]) await mkdir(join(bench.directory, name));
    await writeTinyModel(join(bench.directory, "policy"), 1);
    await writeTinyRewardModel(join(bench.directory, "reward"), await writeTinyModel(join(bench.directory, "body"), 2), 2);
    await bench.write("prompts.jsonl", "abcdefghij".split("").map((prompt) => ({ prompt })));
    await bench.write("dialogues.jsonl", "abcdef".split("").map((prompt) => ({ prompt, response: `${prompt}${prompt}` })));
    await writeFile(join(bench.directory, "text.txt"), "hello there\ngeneral words\n");
    return bench;
  }

  /** One for a single test. */
  static async forTest(): Promise<Bench> {
    const bench = await Bench.create();
    onTestFinished(() => bench.remove());
    return bench;
  }

  write(name: string, rows: readonly unknown[]): Promise<void> {
    return writeFile(join(this.directory, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  }

  emptyStore(): Store {
    return new Store(join(this.directory, `home-${this.stores++}`));
  }

  async model(name: string, type: "language-model" | "reward-model" | "value-model"): Promise<PlanInput> {
    const path = join(this.directory, name);
    return { from: "directory", path, type, digest: (await digestModelDirectory(path)).digest };
  }

  async data(name: string, format: DataFormat, use: DataUse): Promise<PlanInput> {
    const path = join(this.directory, name);
    return { from: "data", use, entries: [{ name: "sample", format, path, digest: sha256(await readFile(path)), holdout: 0, maxBadShare: 0 }] };
  }

  /** A stage as a plan has it; its key is of its parameters and of what it reads. */
  stage(kind: StageKind, parameters: Readonly<Record<string, unknown>>, inputs: Readonly<Record<string, PlanInput>>): PlannedStage {
    const complete = JSON.parse(JSON.stringify(stageKinds[kind].parameters.parse({ kind, ...parameters }))) as PlannedStage["parameters"];
    return { ...plannedStage(kind, [], kind), key: sha256(JSON.stringify([complete, inputs])), parameters: complete, inputs: { ...inputs } };
  }

  /** PPO with everything on that has state: two optimizers, adaptive KL, running reward statistics, pretraining text. */
  async ppo(parameters: Readonly<Record<string, unknown>> = {}): Promise<PlannedStage> {
    return this.stage("ppo", {
      policy: "policy", reward: "reward", critic: "reward", prompts: "sample", steps: 6, rollouts: 5, minibatch: 3, maxNewTokens: 6,
      policyLearningRate: 0.01, criticLearningRate: 0.01, checkpoint: { everySteps: 1 },
      tricks: {
        klPenalty: { coefficient: 0.1 }, adaptiveKl: { target: 0.001, horizon: 20 }, rewardNormalization: {}, gae: {}, clippedSurrogate: {},
        valueClipping: {}, gradientClipping: {}, pretrainingLoss: { rows: 2, length: 8 },
      },
      ...parameters,
    }, {
      policy: await this.model("policy", "language-model"), reward: await this.model("reward", "reward-model"), critic: await this.model("reward", "reward-model"),
      prompts: await this.data("prompts.jsonl", "prompt", "prompts"), pretrainingData: await this.data("text.txt", "text", "text"),
    });
  }

  remove(): Promise<void> {
    return rm(this.directory, { recursive: true, force: true });
  }
}

/** What a backend was asked for. */
export class Calls {
  readonly loads: LoadRequest[] = [];
  readonly generations: GenerateRequest[] = [];
  /** Digests of the files of each model whose optimizer was saved too, in the order of saving. */
  readonly checkpointed: { readonly model: string; readonly files: Readonly<Record<string, string>> }[] = [];
  /** Rows of the first part of every update, by model. */
  readonly updates: { readonly model: string; readonly rows: number }[] = [];

  /** The same backend, its calls noted. */
  watch(backend: Backend): Backend {
    return {
      ...backend,
      load: (request) => { this.loads.push(request); return backend.load(request); },
      generate: (model, request) => { this.generations.push(request); return backend.generate(model, request); },
      step: (model, request) => { this.updates.push({ model, rows: request.parts[0]!.batch.sequences.length }); return backend.step(model, request); },
      save: async (model, directory, options) => {
        await backend.save(model, directory, options);
        if (options.optimizer) this.checkpointed.push({ model, files: await digests(directory) });
      },
    };
  }

  /** The prompts of each round of sampling. */
  get prompts(): string[] {
    return this.generations.map(({ prompts }) => prompts.map((prompt) => prompt.join(" ")).join(" | "));
  }
}

const entry = fileURLToPath(new URL("../../backends/onnx/process.ts", import.meta.url));

/** The embedded backend in a process that the test holds. */
export function heldBackend(): { readonly child: ChildProcess; readonly backend: Backend } {
  const child = fork(entry, [JSON.stringify({ threads: 1, executionProviders: [] })], {
    serialization: "advanced", stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: ["--import", "tsx"],
  });
  return { child, backend: connectBackend(child) };
}

interface AttemptOptions {
  readonly run?: string;
  readonly attempt?: number;
  readonly calls?: Calls;
  /** Sends a signal to the backend's process in the first update after the checkpoint of this step. */
  readonly kill?: { readonly after: number; readonly signal: NodeJS.Signals };
  readonly environment?: MockActivityEnvironment;
  /** What is done to the backend before the attempt has it. */
  readonly change?: (backend: Backend) => Backend;
}

/** An attempt at a stage as a worker makes it: with the store's checkpoints and the training loop, on ONNX Runtime; where it is to be killed, in a process of its own. */
export function attemptAt(store: Store, stage: PlannedStage, options: AttemptOptions = {}): Promise<StageEnd> {
  const { run = "r", attempt = 1, calls = new Calls(), kill, change = (backend) => backend } = options;
  const environment = options.environment ?? new MockActivityEnvironment({ attempt }, { logger: new DefaultLogger("ERROR") });
  const startBackend: StartBackend = async () => {
    if (kill === undefined) return change(calls.watch(await createOnnxBackend({ threads: 1, executionProviders: [] })));
    const { child, backend } = heldBackend();
    const watched = calls.watch(backend);
    return change({
      ...watched,
      step: async (model, request) => {
        const due = (await store.checkpoints.newest(stage.key))?.step === kill.after;
        const answer = watched.step(model, request);
        if (due) child.kill(kill.signal);
        return answer;
      },
    });
  };
  const work = trainStage(startBackend, 60);
  const task = { run, stage, artifacts: {} };
  return environment.run(() => attemptStage(store, Context.current(), task, "language-model", work)) as Promise<StageEnd>;
}

/** The artifact that an attempt left. */
export async function artifactOf(store: Store, stage: PlannedStage): Promise<{ readonly digest: string; readonly metrics: readonly Readonly<Record<string, number>>[] }> {
  const result = await store.results.find(stage.key);
  if (result === undefined) throw new Error(`${stage.name} has no result`);
  const text = await readFile(join(store.artifacts.directory(result.artifact), "metrics.jsonl"), "utf8");
  return { digest: result.artifact, metrics: text.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, number>) };
}
