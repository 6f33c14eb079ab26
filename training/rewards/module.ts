import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { secondsOf } from "../../foundation/durations.js";
import { TruelineError, type ErrorCode } from "../../foundation/errors.js";
import { counted } from "../../foundation/text.js";
import type { ModuleReward } from "../../schemas/reward.js";
import { bytesOf } from "../../schemas/task-queue.js";
import type { TrainerSetup } from "../trainer.js";
import { moduleWordSchema, type ModuleAnswer, type ModuleEnd, type ModuleStart } from "./module-messages.js";
import { rowOf, type TextScorer, type WrittenAnswer } from "./reward.js";

const mended = "Mend it, then `trueline resume RUN --spec SPEC`: its content is part of the stage's key, so the stage begins anew.";
const example = "Such as: export function reward(answers) { return answers.map(({ answer }) => answer.length); }";

/**
 * Starts a module of the user's in a process of its own and checks that it exports what it has to. The beginning of what it prints goes to
 * stderr. The process ends with the stage, and at once when a batch takes too long or too much memory.
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
  const running = new ModuleProcess(name, path, spec);
  setup.atEnd?.(() => running.end());
  const started = await running.next();
  if (started.is === "unloadable") throw new TruelineError("TL_REWARD_MODULE", `The module ${name} can't be loaded: ${started.why}`, { hint: "It is imported as Node.js does: .mjs is an ES module." });
  if (started.is === "no-function") {
    const found = started.exports.length === 0 ? "it exports nothing" : `it exports ${started.exports.join(", ")}`;
    throw new TruelineError("TL_REWARD_MODULE", `The module ${name} has no function \`reward\`; ${found}.`, { hint: example });
  }
  return async (answers) => {
    const said = await running.next(answers);
    switch (said.is) {
      case "scores": return said.scores;
      case "threw": {
        const where = said.row === undefined ? `on ${counted(answers.length, "answer")}, though on none of them alone` : `on ${rowOf(answers, said.row)}`;
        throw failure("TL_REWARD_FAILED", name, `threw ${where}: ${said.why}`, mended);
      }
      case "no-list": throw failure("TL_REWARD_SCORES", name, `gave ${said.found} for ${counted(answers.length, "answer")}; it has to give a list of as many numbers`, example);
      case "no-number": throw failure("TL_REWARD_SCORES", name, `gave ${said.found} for ${rowOf(answers, said.row)}; a score is a finite number of 32 bits`, "Give a low score to an answer that can't be judged.");
      case "ready": case "unloadable": case "no-function":
        throw new TruelineError("TL_INTERNAL", `The process of ${name} answered "${said.is}" to a batch.`);
    }
  };
}

/** Loading has at least as long: it is done once, and what a module imports may be large. */
const leastLoadSeconds = 60;

/** Of what a module prints so many bytes are passed on: its words are of use, a flood of them would fill the disk with the worker's log. */
const mostPrinted = 1_000_000;

class ModuleProcess {
  private readonly child: ChildProcess;
  /** Why nothing more is to be had of it. */
  private ended: TruelineError | undefined;
  private waiting: { readonly batch: number; readonly settle: (answer: ModuleAnswer) => void; readonly fail: (error: Error) => void } | undefined;
  private batches = 0;
  private printed = 0;

  constructor(private readonly name: string, path: string, private readonly limits: Pick<ModuleReward, "options" | "timeLimit" | "memory">) {
    // From sources its code is TypeScript, too.
    const source = import.meta.url.endsWith(".ts");
    const entry = fileURLToPath(new URL(source ? "./module-process.ts" : "./module-process.js", import.meta.url));
    this.child = fork(entry, [], { serialization: "advanced", stdio: ["ignore", "pipe", "pipe", "ipc"], execArgv: source ? ["--import", "tsx"] : [] });
    this.child.on("message", (message: unknown) => this.hear(message));
    this.child.on("error", (error) => this.finish(failure("TL_REWARD_FAILED", name, `could not be given a process: ${error.message}`, mended)));
    void this.exited().then(() => this.finish(this.unaskedEnd()), () => undefined);
    for (const stream of [this.child.stdout, this.child.stderr]) stream?.on("data", (chunk: Buffer) => this.print(chunk));
    this.child.send({ task: { path, options: limits.options ?? {} }, memory: bytesOf(limits.memory) } satisfies ModuleStart, () => undefined);
    // A stage that fails before it ends in order leaves nothing that keeps the process alive.
    this.child.unref();
    this.child.channel?.unref();
    for (const stream of [this.child.stdout, this.child.stderr]) if (stream instanceof Socket) stream.unref();
  }

  /** What it says next; first of its start, then to batches. */
  async next(answers?: readonly WrittenAnswer[]): Promise<ModuleAnswer> {
    if (this.ended !== undefined) throw this.ended;
    const limit = secondsOf(this.limits.timeLimit);
    const [what, seconds] = answers === undefined ? ["loaded", Math.max(leastLoadSeconds, limit)] : [`scored ${counted(answers.length, "answer")}`, limit];
    const timer = setTimeout(() => {
      this.finish(failure("TL_REWARD_TIMEOUT", this.name, `has not ${what} within ${seconds} s`, "Raise its `timeLimit` in the spec, or make it faster; look for a loop or a promise that never ends."));
    }, seconds * 1000);
    try {
      return await new Promise<ModuleAnswer>((settle, fail) => {
        const batch = this.batches++;
        this.waiting = { batch, settle, fail };
        // A send that fails is the sign of a dead process, whose end is told of elsewhere.
        if (answers !== undefined) this.child.send({ batch, answers }, () => undefined);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async end(): Promise<void> {
    this.child.kill("SIGKILL");
    this.child.ref();
    await this.exited();
  }

  /** What it said before it ended may arrive after that. */
  private async exited(): Promise<void> {
    const { child } = this;
    if (child.pid === undefined) return;
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    if (child.connected) await once(child, "disconnect");
  }

  private hear(message: unknown): void {
    const word = moduleWordSchema.safeParse(message).data;
    if (word === undefined) return this.finish(failure("TL_REWARD_FAILED", this.name, "sent its parent a message of its own", "A module gives its scores as what its function returns."));
    if ("ended" in word) return this.finish(this.toldEnd(word.ended));
    if (this.waiting?.batch !== word.batch) return;
    this.waiting.settle(word.said);
    this.waiting = undefined;
  }

  private print(chunk: Buffer): void {
    const room = mostPrinted - this.printed;
    this.printed += chunk.length;
    if (room <= 0) return;
    process.stderr.write(chunk.subarray(0, room));
    if (chunk.length > room) process.stderr.write(`\nThe module ${this.name} prints more than ${mostPrinted} bytes: the rest is left out.\n`);
  }

  private toldEnd(end: ModuleEnd): TruelineError {
    switch (end.by) {
      case "memory": return failure("TL_REWARD_FAILED", this.name, `took more than ${this.limits.memory} of memory`, "Raise its `memory` in the spec, or let it hold less.");
      case "error": return failure("TL_REWARD_FAILED", this.name, `ended by an error outside of its function, as in a timer or in a promise that nobody awaits: ${end.why}`, mended);
      case "exit": return failure("TL_REWARD_FAILED", this.name, `ended its thread with exit code ${end.code}`, "A module must not call process.exit(): it gives scores, or throws.");
    }
  }

  private unaskedEnd(): TruelineError {
    const { exitCode, signalCode } = this.child;
    const how = signalCode === null ? `with exit code ${exitCode}` : `by ${signalCode}`;
    return failure("TL_REWARD_FAILED", this.name, `had its process ended ${how}`, "It did so itself, or somebody else: the system does for want of memory.");
  }

  /** The first reason counts: a process that is killed exits, too. */
  private finish(error: TruelineError): void {
    this.ended ??= error;
    this.waiting?.fail(this.ended);
    this.waiting = undefined;
    this.child.kill("SIGKILL");
  }
}

function failure(code: ErrorCode, name: string, what: string, hint: string): TruelineError {
  return new TruelineError(code, `The module ${name} ${what}.`.replace(/\.\.$/, "."), { hint });
}
