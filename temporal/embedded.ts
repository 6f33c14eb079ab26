import { rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { guarded, namesIn, readIfThere, writeWhole } from "../store/files.js";
import { withLock } from "../store/lock.js";
import { isAlive, processSchema, thisProcess, type ProcessIdentity } from "../store/processes.js";
import { parseJson } from "../store/records.js";
import { findBinary } from "./binary.js";
import { forkModule } from "./entry.js";

/** What several commands share about the embedded server: `server.json` in the home. */
export const serverSchema = z.strictObject({ keeper: processSchema, port: z.number().int().min(1).max(65_535), startedAt: z.string() });
export type EmbeddedServer = z.output<typeof serverSchema>;

const keeperFailureSchema = z.object({ failed: z.string(), code: z.enum(["TL_TEMPORAL_START", "TL_TEMPORAL_PORT", "TL_STORE_FULL"]) });
/** Why a keeper could not start a server. */
export type KeeperFailure = z.output<typeof keeperFailureSchema>;
/** The keeper's first and only word. */
const keeperMessage = z.union([z.object({ ready: serverSchema }), keeperFailureSchema]);

const usersFolder = "server-users";
const holdMilliseconds = 1000;
const settleMilliseconds = 30_000;

/** The embedded server of a home, if it runs. */
export async function runningServer(home: string): Promise<EmbeddedServer | undefined> {
  const server = await keptServer(home);
  return server !== undefined && await answers(server.port) ? server : undefined;
}

/** The embedded server of a home, if its keeper lives; it may be too busy to answer. */
async function keptServer(home: string): Promise<EmbeddedServer | undefined> {
  const server = await recordedServer(home);
  return server !== undefined && isAlive(server.keeper) ? server : undefined;
}

async function recordedServer(home: string): Promise<EmbeddedServer | undefined> {
  return serverSchema.safeParse(parse(await readIfThere(join(home, "server.json")))).data;
}

/**
 * Uses the home's embedded server, started if it does not run. It ends by itself when no process that called this is
 * alive or has left. Errors: TL_TEMPORAL_UNAVAILABLE, TL_TEMPORAL_PORT, TL_TEMPORAL_START, TL_STORE_FULL.
 */
export async function enterServer(home: string, say: (text: string) => void, port?: number): Promise<EmbeddedServer> {
  await untilSettled(home);
  const enter = (binary?: string) => withLock(serverLock(home), async () => {
    const running = await runningServer(home);
    if (running === undefined && await keptServer(home) !== undefined) {
      throw new TruelineError("TL_TEMPORAL_UNAVAILABLE", "This home's Temporal server runs and does not answer.", { hint: `Its log is ${join(home, "server.log")}.` });
    }
    if (running === undefined && binary === undefined) return undefined;
    if (running !== undefined && port !== undefined && running.port !== port) {
      throw new TruelineError("TL_TEMPORAL_PORT", `This home's server already runs on port ${running.port}.`, { hint: "Stop it first, or leave --port out." });
    }
    const server = running ?? await startKeeper(home, binary!, port);
    await writeWhole(userPath(home, process.pid), JSON.stringify(thisProcess));
    return server;
  });
  // To find a program can take minutes: not under the lock.
  return await enter() ?? (await enter(await findBinary({ environment: process.env, say })))!;
}

/** Waits while a server that is kept does not answer: it is busy, or its keeper has yet to see that it died. */
async function untilSettled(home: string): Promise<void> {
  const began = performance.now();
  while (await keptServer(home) !== undefined && await runningServer(home) === undefined && performance.now() - began < settleMilliseconds) await sleep(200);
}

export interface HeldServer {
  /** Why the server, which has ended, can't be started again; undefined while all is well. */
  readonly fault: TruelineError | undefined;
  stop(): Promise<void>;
}

/**
 * Keeps the embedded server that this process has entered there: one that ends is started again, on its port and with its
 * history, so that workers and clients go on by themselves.
 */
export function holdServer(home: string, say: (text: string) => void): HeldServer {
  const stopping = new AbortController();
  let fault: TruelineError | undefined;
  const watch = async () => {
    // It may have died by now; its port is the one to come back on.
    const port = (await recordedServer(home))?.port;
    while (!stopping.signal.aborted) {
      await sleep(holdMilliseconds, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted || await keptServer(home) !== undefined) continue;
      try {
        await guarded(() => enterServer(home, () => undefined, port));
        say("The Temporal server had ended and was started again.");
        fault = undefined;
      } catch (error) {
        const isNew = fault === undefined;
        fault = whyNotAgain(error);
        if (isNew) say(`${fault.code} ${fault.message}`);
      }
    }
  };
  const watching = watch();
  return {
    get fault() { return fault; },
    stop: async () => {
      stopping.abort();
      await watching;
    },
  };
}

function whyNotAgain(error: unknown): TruelineError {
  const [code, hint] = error instanceof TruelineError ? [error.code, error.hint] as const : ["TL_TEMPORAL_START"] as const;
  return new TruelineError(code, `The Temporal server has ended and can't be started again: ${error instanceof Error ? error.message : String(error)}`, { hint, cause: error });
}

/** Says that this process needs the embedded server no more. */
export async function leaveServer(home: string): Promise<void> {
  await rm(userPath(home, process.pid), { force: true });
}

/** Processes that use the home's server now; records of dead ones are removed. Called under the server's lock. */
export async function liveUsers(home: string): Promise<readonly ProcessIdentity[]> {
  const users: ProcessIdentity[] = [];
  for (const name of await namesIn(join(home, usersFolder))) {
    const path = join(home, usersFolder, name);
    const user = processSchema.safeParse(parse(await readIfThere(path))).data;
    if (user !== undefined && isAlive(user)) users.push(user);
    else await rm(path, { force: true });
  }
  return users;
}

export function serverLock(home: string): string {
  return join(home, "server.lock");
}

async function startKeeper(home: string, binary: string, port: number | undefined): Promise<EmbeddedServer> {
  // In a session of its own: Ctrl-C in the terminal must not end the server before the run has saved its checkpoint.
  const keeper = forkModule("keeper", [home, binary, ...(port === undefined ? [] : [String(port)])], { detached: true, stdio: "ignore" });
  const message = await new Promise<unknown>((resolve) => {
    keeper.once("message", resolve);
    keeper.once("exit", (code) => resolve({ failed: `its keeper ended with code ${code}`, code: "TL_TEMPORAL_START" } satisfies KeeperFailure));
  });
  if (keeper.connected) keeper.disconnect();
  keeper.unref();
  const told = keeperMessage.parse(message);
  if ("ready" in told) return told.ready;
  switch (told.code) {
    case "TL_TEMPORAL_PORT": throw new TruelineError(told.code, `Port ${port} is in use.`, { hint: "Name another with --port, or none: a free one is then taken." });
    case "TL_STORE_FULL": throw new TruelineError(told.code, `The embedded Temporal server did not start: ${told.failed}`, { hint: `Its database is in ${home}: free some space there.` });
    case "TL_TEMPORAL_START": throw new TruelineError(told.code, `The embedded Temporal server did not start: ${told.failed}`, { hint: `Its log is ${join(home, "server.log")}.` });
  }
}

/** Whether something listens on a port of this host. */
export function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    const end = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(1000, () => end(false));
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}

function userPath(home: string, pid: number): string {
  return join(home, usersFolder, `${pid}.json`);
}

function parse(text: string | undefined): unknown {
  return text === undefined ? undefined : parseJson(text);
}
