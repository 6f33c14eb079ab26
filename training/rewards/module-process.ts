import { Worker } from "node:worker_threads";
import { moduleStartSchema, type ModuleEnd, type ModuleStart, type ModuleWord } from "./module-messages.js";
import { wordsOf } from "./module-words.js";

// The process of a reward module, which runs in a thread of it: whatever the module does to its process, the worker does not feel it. This thread stays awake
// beside it, watches what is taken of memory, and ends both when the worker has gone.

const lookMilliseconds = 50;
/** What a thread takes by itself: its own share of Node.js, and what garbage there may lie before it is collected. */
const slackBytes = 128 * 2 ** 20;

/** From sources the thread's code is TypeScript, too, which a thread learns to read only by itself. */
const entry = import.meta.url.endsWith(".ts")
  ? `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(new URL("./module-thread.ts", import.meta.url).href)}); });`
  : new URL("./module-thread.js", import.meta.url);

function start({ task, memory }: ModuleStart): void {
  const most = process.memoryUsage.rss() + memory + slackBytes;
  const thread = new Worker(entry, { workerData: task, eval: typeof entry === "string", resourceLimits: { maxOldGenerationSizeMb: Math.ceil(memory / 2 ** 20) } });
  const end = (ended: ModuleEnd) => void process.send?.({ ended } satisfies ModuleWord, () => process.exit(1));
  thread.on("message", (word: unknown) => void process.send?.(word));
  thread.on("error", (error: unknown) => end(isOutOfMemory(error) ? { by: "memory" } : { by: "error", why: wordsOf(error, task.path) }));
  thread.on("exit", (code) => end({ by: "exit", code }));
  process.on("message", (batch) => thread.postMessage(batch));
  // What lies outside of the heap, as buffers do, no limit of the thread's counts.
  setInterval(() => {
    if (process.memoryUsage.rss() > most) end({ by: "memory" });
  }, lookMilliseconds);
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY";
}

process.on("disconnect", () => process.exit(0));
// Ctrl-C reaches every process of the terminal's group; the stage still needs scores to end its step.
process.on("SIGINT", () => undefined);
process.once("message", (message) => start(moduleStartSchema.parse(message)));
