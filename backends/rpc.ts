import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Socket } from "node:net";
import { TruelineError } from "../foundation/errors.js";
import type { Backend } from "./backend.js";
import { LastWords, outOfMemoryKills, unaskedEnd } from "./endings.js";
import {
  callSchema, fromFailure, parseParameters, parseResult, replySchema, toFailure,
  type Call, type Method, type Reply, type Signatures,
} from "./messages.js";

/** How long a process may take to end by itself before it is killed. */
const graceMilliseconds = 5000;

/**
 * Serves a backend over this process's IPC channel, one call at a time in the order of arrival; if it can't be made,
 * every call fails with the reason. The process ends when its parent disconnects or dies: no orphan goes on computing.
 */
export function serveBackend(starting: Promise<Backend>): void {
  const send = (reply: Reply) => process.send?.(reply);
  starting.catch(() => undefined);
  let last: Promise<unknown> = Promise.resolve();
  process.on("message", (message) => {
    last = last.then(async () => {
      const call = callSchema.parse(message);
      try {
        send({ id: call.id, result: await invoke(await starting, call.method, call) });
      } catch (error) {
        send({ id: call.id, failure: toFailure(error) });
      }
    });
  });
  process.on("disconnect", () => process.exit(0));
  // Ctrl-C reaches every process of the terminal's group; whoever drives the backend still needs it to save a checkpoint.
  process.on("SIGINT", () => undefined);
}

type Operations = { readonly [M in Method]: (...parameters: Signatures[M]["parameters"]) => Promise<Signatures[M]["result"]> };

function invoke<M extends Method>(backend: Operations, method: M, call: Call): Promise<unknown> {
  return backend[method](...parseParameters[method](call.parameters));
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: TruelineError) => void;
}

/**
 * A backend served by a child process. Calls are answered in any order; when the child dies all that were under way
 * reject with TL_BACKEND_LOST (worth a retry) or TL_BACKEND_OUT_OF_MEMORY, calls after `close` or after `signal`
 * aborted with TL_BACKEND_CLOSED.
 *
 * @param child forked with `serialization: "advanced"` and stderr piped; its entry calls serveBackend.
 */
export function connectBackend(child: ChildProcess, signal?: AbortSignal): Backend {
  const pending = new Map<number, Pending>();
  const killsBefore = outOfMemoryKills();
  let calls = 0;
  let ended: TruelineError | undefined;
  let closing: Promise<void> | undefined;
  const stderr = new LastWords();

  const fail = (error: TruelineError) => {
    ended ??= error;
    for (const { reject } of pending.values()) reject(ended);
    pending.clear();
  };
  const failToRun = (error: unknown) => fail(new TruelineError("TL_BACKEND_LOST", `The backend's process failed: ${String(error)}`, { cause: error }));
  const kill = () => child.kill("SIGKILL");
  const abort = () => {
    fail(new TruelineError("TL_BACKEND_CLOSED", "The backend was stopped.", { cause: signal?.reason }));
    kill();
  };

  child.stderr?.setEncoding("utf8").on("data", (text: string) => stderr.add(text));
  child.on("message", (message) => {
    const reply = replySchema.parse(message);
    const waiting = pending.get(reply.id);
    pending.delete(reply.id);
    if ("failure" in reply) waiting?.reject(fromFailure(reply.failure));
    else waiting?.resolve(reply.result);
    holdEventLoop(child, pending.size > 0);
  });
  // not "close": Node 20 does not emit it after a disconnect. stderr may have more to read after "exit".
  const exited = Promise.all([once(child, "exit"), child.stderr === null ? [] : once(child.stderr, "end")]).then(() => {
    signal?.removeEventListener("abort", abort);
    fail(closing === undefined
      ? unaskedEnd({ code: child.exitCode, signal: child.signalCode, stderr: String(stderr), systemRanOut: outOfMemoryKills() > killsBefore })
      : closed());
  }, failToRun);
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort, { once: true });
  holdEventLoop(child, false);

  async function call<M extends Method>(method: M, ...parameters: Signatures[M]["parameters"]): Promise<Signatures[M]["result"]> {
    const result = await new Promise<unknown>((resolve, reject) => {
      if (ended !== undefined || closing !== undefined) {
        reject(ended ?? closed());
        return;
      }
      const id = calls++;
      pending.set(id, { resolve, reject });
      holdEventLoop(child, true);
      // A send that fails is the sign of a dead child, whose end is told of elsewhere: it rejects the call.
      child.send({ id, method, parameters } satisfies Call, () => undefined);
    });
    return parseResult[method](result);
  }

  async function close(): Promise<void> {
    holdEventLoop(child, true);
    if (child.connected) child.disconnect();
    const timer = setTimeout(kill, graceMilliseconds);
    await exited;
    clearTimeout(timer);
  }

  return {
    describe: () => call("describe"),
    load: (request) => call("load", request),
    unload: (model) => call("unload", model),
    save: (model, directory, options) => call("save", model, directory, options),
    forward: (model, request) => call("forward", model, request),
    generate: (model, request) => call("generate", model, request),
    step: (model, request) => call("step", model, request),
    close: () => (closing ??= close()),
  };
}

/** An idle backend does not keep its parent running; one that owes an answer does. */
function holdEventLoop(child: ChildProcess, hold: boolean): void {
  const change = hold ? "ref" : "unref";
  child[change]();
  child.channel?.[change]();
  if (child.stderr instanceof Socket) child.stderr[change]();
}

const closed = () => new TruelineError("TL_BACKEND_CLOSED", "The backend is closed.");
