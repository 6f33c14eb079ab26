import { Worker } from "node:worker_threads";
import { secondsOf } from "../../foundation/durations.js";
import { TruelineError, type ErrorCode } from "../../foundation/errors.js";
import type { ModuleReward } from "../../schemas/reward.js";
import { bytesOf } from "../../schemas/task-queue.js";
import type { TrainerSetup } from "../trainer.js";
import { moduleAnswerSchema, type ModuleAnswer, type ModuleTask } from "./module-messages.js";
import { rowOf, type TextScorer, type WrittenAnswer } from "./reward.js";

const mended = "Mend it, then `trueline resume RUN --spec SPEC`: its content is part of the stage's key, so the stage begins anew.";
const example = "Such as: export function reward(answers) { return answers.map(({ answer }) => answer.length); }";

/**
 * Starts a module of the user's in a thread of its own and checks that it exports what it has to. What it writes to its console goes to
 * stderr. The thread ends with the stage, and at once when a batch takes too long or too much memory.
 * Errors: TL_REWARD_REFUSED, TL_REWARD_MODULE; of the scorer TL_REWARD_FAILED, TL_REWARD_TIMEOUT, TL_REWARD_SCORES.
 */
export async function startModule(setup: Pick<TrainerSetup<unknown>, "files" | "rights" | "atEnd" | "phase">, spec: ModuleReward, input: string): Promise<TextScorer> {
  const { module: name } = spec;
  const path = setup.files?.[input]?.path;
  if (path === undefined) throw new TruelineError("TL_INTERNAL", `The stage was started without the file of its module ${name}.`);
  if (setup.rights?.modules === false) {
    throw new TruelineError("TL_REWARD_REFUSED", `The stage wants to run the module ${name}, and this worker runs none.`, {
      hint: "It was started with --no-modules. Start one without it, for people whose code may run there.",
    });
  }
  setup.phase(`loading ${name}`);
  const thread = new ModuleThread(name, path, spec);
  setup.atEnd?.(() => thread.end());
  const started = await thread.next();
  if (started.is === "unloadable") throw new TruelineError("TL_REWARD_MODULE", `The module ${name} can't be loaded: ${started.why}`, { hint: "It is imported as Node.js does: .mjs is an ES module." });
  if (started.is === "no-function") {
    const found = started.exports.length === 0 ? "it exports nothing" : `it exports ${started.exports.join(", ")}`;
    throw new TruelineError("TL_REWARD_MODULE", `The module ${name} has no function \`reward\`; ${found}.`, { hint: example });
  }
  return async (answers) => {
    const said = await thread.next(answers);
    switch (said.is) {
      case "scores": return said.scores;
      case "threw": {
        const where = said.row === undefined ? `on ${answers.length} answers, though on none of them alone` : `on ${rowOf(answers, said.row)}`;
        throw failure("TL_REWARD_FAILED", name, `threw ${where}: ${said.why}`, mended);
      }
      case "no-list": throw failure("TL_REWARD_SCORES", name, `gave ${said.found} for ${answers.length} answers; it has to give a list of as many numbers`, example);
      case "no-number": throw failure("TL_REWARD_SCORES", name, `gave ${said.found} for ${rowOf(answers, said.row)}; a score is a finite number of 32 bits`, "Give a low score to an answer that can't be judged.");
      case "ready": case "unloadable": case "no-function":
        throw new TruelineError("TL_INTERNAL", `The thread of ${name} answered "${said.is}" to a batch.`);
    }
  };
}

/** Loading has at least as long: it is done once, and what a module imports may be large. */
const leastLoadSeconds = 60;

/** From sources the thread's code is TypeScript, too, which a thread learns to read only by itself. */
const entry = import.meta.url.endsWith(".ts")
  ? `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(new URL("./module-thread.ts", import.meta.url).href)}); });`
  : new URL("./module-thread.js", import.meta.url);

class ModuleThread {
  private readonly worker: Worker;
  /** Why nothing more is to be had of the thread. */
  private ended: TruelineError | undefined;
  private waiting: { readonly settle: (answer: ModuleAnswer) => void; readonly fail: (error: Error) => void } | undefined;
  private early: ModuleAnswer | undefined;

  constructor(private readonly name: string, path: string, private readonly limits: Pick<ModuleReward, "options" | "timeLimit" | "memory">) {
    this.worker = new Worker(entry, {
      workerData: { path, options: limits.options ?? {} } satisfies ModuleTask, stdout: true, stderr: true, eval: typeof entry === "string",
      resourceLimits: { maxOldGenerationSizeMb: Math.ceil(bytesOf(limits.memory) / 2 ** 20) },
    });
    for (const stream of [this.worker.stdout, this.worker.stderr]) stream.pipe(process.stderr, { end: false });
    this.worker.on("message", (message: unknown) => this.settle(moduleAnswerSchema.parse(message)));
    this.worker.on("error", (error: Error & { readonly code?: string }) => this.finish(error.code === "ERR_WORKER_OUT_OF_MEMORY"
      ? failure("TL_REWARD_FAILED", name, `took more than ${limits.memory} of memory`, "Raise its `memory` in the spec, or let it hold less.")
      : failure("TL_REWARD_FAILED", name, `ended by an error outside of its function: ${error.message}`, mended)));
    this.worker.on("exit", (code) => this.finish(failure("TL_REWARD_FAILED", name, `ended its thread with exit code ${code}`, "A module must not call process.exit(): it gives scores, or throws.")));
    // A stage that fails before it ends in order leaves nothing that keeps the process alive.
    this.worker.unref();
  }

  /** What the thread says next; first of its start, then to batches. */
  async next(answers?: readonly WrittenAnswer[]): Promise<ModuleAnswer> {
    if (this.ended !== undefined) throw this.ended;
    const limit = secondsOf(this.limits.timeLimit);
    const [what, seconds] = answers === undefined ? ["loaded", Math.max(leastLoadSeconds, limit)] : [`scored ${answers.length} answers`, limit];
    const timer = setTimeout(() => {
      this.finish(failure("TL_REWARD_TIMEOUT", this.name, `has not ${what} within ${seconds} s`, "Raise its `timeLimit` in the spec, or make it faster; look for a loop or a promise that never ends."));
      void this.worker.terminate();
    }, seconds * 1000);
    try {
      return await new Promise<ModuleAnswer>((settle, fail) => {
        this.waiting = { settle, fail };
        if (this.early !== undefined) this.settle(this.early);
        if (answers !== undefined) this.worker.postMessage(answers);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async end(): Promise<void> {
    await this.worker.terminate();
  }

  private settle(answer: ModuleAnswer): void {
    this.early = this.waiting === undefined ? answer : undefined;
    this.waiting?.settle(answer);
    this.waiting = undefined;
  }

  /** The first reason counts: a thread that is terminated exits, too. */
  private finish(error: TruelineError): void {
    this.ended ??= error;
    this.waiting?.fail(this.ended);
    this.waiting = undefined;
  }
}

function failure(code: ErrorCode, name: string, what: string, hint: string): TruelineError {
  return new TruelineError(code, `The module ${name} ${what}.`.replace(/\.\.$/, "."), { hint });
}
