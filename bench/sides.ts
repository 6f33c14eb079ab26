import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { constant, logProbabilities, multiply } from "../backends/expressions.js";
import type { Backend, StepRequest } from "../backends/backend.js";
import { connectBackend } from "../backends/rpc.js";
import { randomAt } from "../foundation/random.js";
import { peerPython } from "../test/peers/environment.js";
import type { Workload } from "./workloads.js";

/** One of the two that are compared. */
export interface Side {
  /** Does the work once; milliseconds, and a number that must agree between the sides. */
  run(): Promise<{ readonly milliseconds: number; readonly result: number }>;
  /** Bytes that its process held at most so far. */
  peakMemory(): number;
  close(): Promise<void>;
}

export const threads = 2;
const optimizer = { learningRate: 1e-4, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, maxGradientNorm: 1 };

/** Trueline's embedded backend, in its child process as always. */
export async function ours(workload: Workload, directory: string): Promise<Side> {
  const entry = fileURLToPath(new URL("../backends/onnx/process.ts", import.meta.url));
  const child = fork(entry, [JSON.stringify({ threads, executionProviders: [] })], {
    serialization: "advanced", stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: ["--import", "tsx"],
  });
  const backend = connectBackend(child);
  await backend.load({ model: "model", directory, head: "language", trainable: true });
  return {
    run: () => (workload.kind === "training" ? train(backend, workload) : sample(backend, workload)),
    peakMemory: () => peakMemoryOf(child),
    close: () => backend.close(),
  };
}

const timed = async <T>(work: () => Promise<T>): Promise<readonly [number, T]> => {
  const begin = performance.now();
  const result = await work();
  return [performance.now() - begin, result];
};

function stepOn(rows: readonly Int32Array[], learningRate: number): StepRequest {
  const targets = rows.map(({ length }) => Int32Array.from({ length: length - 1 }, (_, index) => index + 1));
  const share = constant(-1 / targets.reduce((sum, { length }) => sum + length, 0));
  return {
    parts: [{ batch: { sequences: rows, targets }, arrays: {}, loss: [multiply(share, logProbabilities)], statistics: {} }],
    optimizer: { ...optimizer, learningRate },
  };
}

async function train(backend: Backend, { tokens }: Workload) {
  const [milliseconds, { losses }] = await timed(() => backend.step("model", stepOn(tokens, optimizer.learningRate)));
  return { milliseconds, result: losses[0]! };
}

async function sample(backend: Backend, { tokens, newTokens }: Workload) {
  // weights change before every rollout of PPO: what follows from that belongs to the time
  await backend.step("model", stepOn(tokens.slice(0, 1), 0));
  const random = randomAt(1, "uniforms");
  const uniforms = Float32Array.from({ length: tokens.length * newTokens }, () => random.uniform());
  const request = { prompts: tokens, maxNewTokens: newTokens, temperature: 1, endTokens: [], uniforms };
  const [milliseconds, { tokens: sampled }] = await timed(() => backend.generate("model", request));
  return { milliseconds, result: tokens[0]!.length + sampled[0]!.length };
}

const answerSchema = z.object({ milliseconds: z.number(), result: z.number(), peakMemory: z.number() });

/** PyTorch or transformers, in a process of its own. */
export async function peer({ kind, tokens, newTokens }: Workload, directory: string): Promise<Side> {
  const child = spawn(peerPython(), [fileURLToPath(new URL("peer.py", import.meta.url))], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, OMP_NUM_THREADS: String(threads), TRANSFORMERS_VERBOSITY: "error", HF_HUB_OFFLINE: "1" },
  });
  const exit = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (request: object): Promise<unknown> => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await lines.next();
    if (done === true) throw new Error("the peer ended without an answer");
    return JSON.parse(value);
  };
  const rows = tokens.map((row) => Array.from(row));
  await ask({ threads, kind, directory, tokens: rows, ...(kind === "sampling" ? { new_tokens: newTokens } : {}) });
  let peakMemory = 0;
  return {
    async run() {
      const { peakMemory: peak, ...answer } = answerSchema.parse(await ask({}));
      peakMemory = peak;
      return answer;
    },
    peakMemory: () => peakMemory,
    async close() {
      child.stdin.end();
      await exit;
    },
  };
}

function peakMemoryOf(child: ChildProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
}
