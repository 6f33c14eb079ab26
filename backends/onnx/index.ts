import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import type { Backend } from "../backend.js";
import { connectBackend } from "../rpc.js";
import type { SessionSettings } from "./sessions.js";

export interface OnnxBackendOptions extends Partial<SessionSettings> {
  /** Ends the backend at once when aborted; what is under way rejects with TL_BACKEND_CLOSED. */
  readonly signal?: AbortSignal;
}

/**
 * Starts the embedded backend in a child process: `session.run` blocks the event loop it is called on, and a process
 * survives that the system killed for memory. It ends with `close`, with the signal, or with this process.
 *
 * @param options threads: default one a core. executionProviders: for scoring and generation, such as ["cuda"];
 *   training stays on the processor.
 * @throws TL_BACKEND_PROVIDER_MISSING, TL_BACKEND_LOST
 */
export async function startOnnxBackend(options: OnnxBackendOptions = {}): Promise<Backend> {
  const { threads = availableParallelism(), executionProviders = [], signal } = options;
  // from sources the entry is TypeScript, too
  const source = import.meta.url.endsWith(".ts");
  const entry = fileURLToPath(new URL(source ? "./process.ts" : "./process.js", import.meta.url));
  const child = fork(entry, [JSON.stringify({ threads, executionProviders } satisfies SessionSettings)], {
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    execArgv: source ? ["--import", "tsx"] : [],
  });
  const backend = connectBackend(child, signal);
  try {
    await backend.describe();
  } catch (error) {
    await backend.close();
    throw error;
  }
  return backend;
}
