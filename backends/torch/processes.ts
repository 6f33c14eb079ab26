import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, Socket, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { TruelineError } from "../../foundation/errors.js";
import { LastWords, outOfMemoryKills, unaskedEnd } from "../endings.js";
import { failureSchema, fromFailure, type Failure } from "../messages.js";
import { encodeFrame, FrameReader } from "./frames.js";
import { endProcess, launch, type ProcessOptions } from "./launch.js";

/** How long processes may take to end by themselves before they are killed. */
const graceMilliseconds = 5000;
/** How long the others may take to answer a call that one has failed; after that they wait for it in vain. */
const agreementMilliseconds = 30_000;
/** How long torchrun may take to say what became of a process that is gone. */
const lastWordsMilliseconds = 2000;
const startMilliseconds = 900_000;

const greeting = z.union([
  z.strictObject({ rank: z.number().int(), process: z.number().int() }),
  z.strictObject({ agent: z.literal(true), process: z.number().int() }),
]);
const told = z.union([
  z.strictObject({ alive: z.literal(true) }),
  z.strictObject({ ready: z.literal(true) }),
  z.strictObject({ failure: failureSchema }),
  z.strictObject({ id: z.number(), result: z.unknown() }),
  z.strictObject({ id: z.number(), failure: failureSchema }),
]);

/** A process of the group, and what connects it: it ends when its connection does, whatever ends that. */
interface Member {
  readonly process: number;
  readonly socket: Socket;
}

interface Pending {
  readonly id: number;
  readonly results: Map<number, unknown>;
  readonly failures: Map<number, Failure>;
  readonly resolve: (results: readonly unknown[]) => void;
  readonly reject: (error: TruelineError) => void;
}

/**
 * Python processes that serve calls together, under torchrun if there is more than one. Every process reads every call
 * and answers it. When one dies, says nothing for too long or fails alone, all are ended.
 */
export class ProcessGroup {
  private readonly members = new Map<number, Member>();
  private readonly started = new Set<number>();
  /** All connections, that of torchrun among them, which ends by itself when its processes have. */
  private readonly sockets = new Set<Socket>();
  private readonly stderr = new LastWords();
  private readonly killsBefore = outOfMemoryKills();
  private readonly ready: Promise<void>;
  private readonly exited: Promise<void>;
  private greeted: () => void = () => undefined;
  private startFailed: (error: TruelineError) => void = () => undefined;
  private pending: Pending | undefined;
  private ended: TruelineError | undefined;
  private closing: Promise<void> | undefined;
  private lastSign = performance.now();
  private calls = 0;

  private constructor(private readonly options: ProcessOptions, server: Server, private readonly child: ChildProcess) {
    this.ready = new Promise((resolve, reject) => {
      this.greeted = resolve;
      this.startFailed = reject;
    });
    this.ready.catch(() => undefined);
    child.stderr?.setEncoding("utf8").on("data", (text: string) => this.stderr.add(text));
    server.on("connection", (socket) => this.welcome(socket));
    child.on("error", (cause) => this.fail(new TruelineError("TL_BACKEND_LOST", `${options.python} can't be started: ${cause.message}`, { cause })));
    this.exited = Promise.race([once(child, "exit"), once(child, "error")]).then(async () => {
      if (child.stderr !== null && !child.stderr.readableEnded) await Promise.race([once(child.stderr, "end"), after(lastWordsMilliseconds)]);
      this.lost();
    });
    if (options.signal?.aborted) this.abort();
    else options.signal?.addEventListener("abort", this.abort, { once: true });
  }

  /** @throws TL_BACKEND_LOST, TL_BACKEND_CLOSED, and what the processes fail with when they start. */
  static async start(options: ProcessOptions): Promise<ProcessGroup> {
    const folder = await mkdtemp(join(tmpdir(), "trueline-torch-"));
    const path = join(folder, "socket");
    const server = createServer();
    try {
      server.listen(path);
      await once(server, "listening");
      const group = new ProcessGroup(options, server, launch(options, path));
      const timer = setTimeout(() => group.fail(new TruelineError("TL_BACKEND_LOST", `The backend's processes did not start within ${startMilliseconds / 1000} s.`)), startMilliseconds);
      await group.ready.finally(() => clearTimeout(timer));
      group.holdEventLoop(false);
      return group;
    } finally {
      server.close();
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Throws why there are no answers any more. */
  checkOpen(): void {
    if (this.ended !== undefined || this.closing !== undefined) throw this.ended ?? closed();
  }

  /** What each process answers, by rank. One call at a time. */
  async call(method: string, parameters: readonly unknown[]): Promise<readonly unknown[]> {
    this.checkOpen();
    const id = this.calls++;
    const frame = encodeFrame({ id, method, parameters });
    this.lastSign = performance.now();
    this.holdEventLoop(true);
    const watch = setInterval(() => this.checkStall(method), 1000);
    try {
      return await new Promise((resolve, reject) => {
        this.pending = { id, results: new Map(), failures: new Map(), resolve, reject };
        for (const { socket } of this.members.values()) socket.write(frame);
      });
    } finally {
      clearInterval(watch);
      this.pending = undefined;
      this.holdEventLoop(false);
    }
  }

  /** Ends all processes; safe to call twice. */
  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    this.holdEventLoop(true);
    this.pending?.reject(closed());
    for (const { socket } of this.members.values()) socket.destroy();
    const timer = setTimeout(() => this.kill(), graceMilliseconds);
    await this.exited;
    clearTimeout(timer);
    this.options.signal?.removeEventListener("abort", this.abort);
  }

  private welcome(socket: Socket): void {
    if (this.ended !== undefined) socket.destroy();
    this.sockets.add(socket);
    let rank: number | undefined;
    const reader = new FrameReader((message) => {
      this.lastSign = performance.now();
      if (rank !== undefined) {
        this.hear(rank, told.parse(message));
        return;
      }
      const hello = greeting.parse(message);
      if ("agent" in hello) return;
      rank = hello.rank;
      this.members.set(rank, { process: hello.process, socket });
    });
    socket.on("data", (chunk) => reader.add(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.sockets.delete(socket);
      if (rank === undefined) return;
      this.members.delete(rank);
      // the others would wait for it without end; how it ended, the parent of the processes knows best
      if (this.closing === undefined && this.ended === undefined) setTimeout(() => this.kill(), lastWordsMilliseconds).unref();
    });
  }

  private hear(rank: number, message: z.output<typeof told>): void {
    if ("alive" in message) return;
    if ("ready" in message) {
      this.started.add(rank);
      if (this.started.size === this.options.processes) this.greeted();
      return;
    }
    if (!("id" in message)) {
      this.fail(fromFailure(message.failure));
      return;
    }
    const { pending } = this;
    if (pending?.id !== message.id) return;
    if ("failure" in message) pending.failures.set(rank, message.failure);
    else pending.results.set(rank, message.result);
    this.settle(pending);
  }

  /** Answers a call when all processes have; one that fails alone has left the others in another state. */
  private settle(pending: Pending): void {
    const { processes } = this.options;
    const { results, failures } = pending;
    const [failure] = failures.values();
    if (failure === undefined) {
      if (results.size === processes) pending.resolve(Array.from({ length: processes }, (_, rank) => results.get(rank)));
    } else if (failures.size === processes) {
      pending.reject(fromFailure(failure));
    } else if (results.size > 0) {
      this.fail(fromFailure(failure));
    } else if (failures.size === 1) {
      setTimeout(() => {
        if (failures.size < processes) this.fail(fromFailure(failure));
      }, agreementMilliseconds).unref();
    }
  }

  private checkStall(method: string): void {
    const { stallSeconds } = this.options;
    if (performance.now() - this.lastSign < 1000 * stallSeconds) return;
    this.fail(new TruelineError("TL_STAGE_STALLED", `The backend has shown no sign of life for ${stallSeconds} s while it was to answer "${method}".`, {
      hint: "It is tried again from the newest checkpoint. Set TRUELINE_STALL_SECONDS higher if steps really take that long.",
    }));
  }

  /** What follows when the processes are gone. */
  private lost(): void {
    const { exitCode: code, signalCode: signal } = this.child;
    if (this.closing === undefined) {
      this.fail(unaskedEnd({ code, signal, stderr: String(this.stderr), systemRanOut: outOfMemoryKills() > this.killsBefore }));
    }
  }

  private readonly abort = (): void => {
    this.fail(new TruelineError("TL_BACKEND_CLOSED", "The backend was stopped.", { cause: this.options.signal?.reason }));
  };

  /** Ends the group: what is under way rejects, and so does what follows. */
  private fail(error: TruelineError): void {
    this.ended ??= error;
    this.startFailed(this.ended);
    this.pending?.reject(this.ended);
    this.kill();
  }

  private kill(): void {
    for (const { process: id } of this.members.values()) endProcess(id);
    this.child.kill("SIGKILL");
    for (const socket of this.sockets) socket.destroy();
  }

  /** An idle backend does not keep this process running; one that owes an answer does. */
  private holdEventLoop(hold: boolean): void {
    const change = hold ? "ref" : "unref";
    this.child[change]();
    if (this.child.stderr instanceof Socket) this.child.stderr[change]();
    for (const socket of this.sockets) socket[change]();
  }
}

const closed = (): TruelineError => new TruelineError("TL_BACKEND_CLOSED", "The backend is closed.");

const after = (milliseconds: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, milliseconds).unref(); });
