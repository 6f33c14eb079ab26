import { spawn, type ChildProcess } from "node:child_process";
import { openSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TruelineError } from "../foundation/errors.js";
import { storageFault } from "../foundation/storage-faults.js";
import { writeWhole } from "../store/files.js";
import { withLock } from "../store/lock.js";
import { thisProcess } from "../store/processes.js";
import { answers, liveUsers, serverLock, type EmbeddedServer, type KeeperFailure } from "./embedded.js";
import { freePort } from "./free-port.js";

// The process that holds an embedded Temporal server and ends it when nobody uses it any more, however they went.

const startSeconds = 60;
const [home, binary, wanted] = process.argv.slice(2) as [string, string, string | undefined];
const logPath = join(home, "server.log");

interface Kept {
  readonly child: ChildProcess;
  /** What ends the child should this keeper be killed. */
  readonly survivor: ChildProcess;
}

const server = await start();
if (server !== undefined) await keep(server);

async function start(): Promise<Kept | undefined> {
  if (wanted !== undefined && await answers(Number(wanted))) return tell({ failed: "its port is in use", code: "TL_TEMPORAL_PORT" });
  const port = wanted === undefined ? await freePort() : Number(wanted);
  const log = openSync(logPath, "w");
  const child = spawn(binary, [
    "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", String(port), "--db-filename", join(home, "temporal.db"), "--log-level", "error",
  ], { stdio: ["ignore", log, log] });
  const kept = { child, survivor: outlive(child) };
  const failure = await untilReady(child, port).catch(failureOf);
  if (failure === undefined) return kept;
  await end(kept);
  return tell(failure);
}

/** Announces the server once it answers; gives why it does not. */
async function untilReady(child: ChildProcess, port: number): Promise<KeeperFailure | undefined> {
  let ended = false;
  child.once("error", () => { ended = true; });
  child.once("exit", () => { ended = true; });
  for (let waited = 0; !ended && waited < startSeconds * 20; waited++) {
    if (await answers(port)) {
      const ready: EmbeddedServer = { keeper: thisProcess, port, startedAt: new Date().toISOString() };
      await writeWhole(join(home, "server.json"), JSON.stringify(ready));
      process.send?.({ ready });
      return undefined;
    }
    await sleep(50);
  }
  const failed = readFileSync(logPath, "utf8").trim().slice(-500) || "it said nothing";
  return { failed, code: /database or disk is full|no space left on device/i.test(failed) ? "TL_STORE_FULL" : "TL_TEMPORAL_START" };
}

function failureOf(error: unknown): KeeperFailure {
  const fault = storageFault(error);
  const isFull = fault instanceof TruelineError && fault.code === "TL_STORE_FULL";
  return { failed: error instanceof Error ? error.message : String(error), code: isFull ? "TL_STORE_FULL" : "TL_TEMPORAL_START" };
}

function tell(failure: KeeperFailure): undefined {
  process.send?.(failure);
  return undefined;
}

/** Watches server and users; ends one when the others have gone. */
async function keep(kept: Kept): Promise<void> {
  let stop = false;
  let gone = kept.child.exitCode !== null || kept.child.signalCode !== null;
  process.once("SIGTERM", () => { stop = true; });
  process.on("SIGINT", () => undefined);
  kept.child.once("exit", () => { gone = true; });
  const close = async () => {
    await rm(join(home, "server.json"), { force: true });
    await end(kept);
  };
  for (let isOver = false; !isOver;) {
    await sleep(1000);
    try {
      await withLock(serverLock(home), async () => {
        isOver = gone || stop || (await liveUsers(home)).length === 0;
        // Under the lock nobody can enter between the look and the end.
        if (isOver) await close();
      });
    } catch (error) {
      if (error instanceof TruelineError && error.code === "TL_STORE_LOCKED") continue;
      // Where no lock can be written, the server can't write its database: whoever holds it starts it again when there is room.
      isOver = true;
      await close();
    }
  }
}

/** Ends the server should this keeper be killed: a shell that waits for its end of a pipe to close. */
function outlive(child: ChildProcess): ChildProcess {
  const shell = spawn("sh", ["-c", 'read -r _; kill -KILL "$0"', String(child.pid)], { stdio: ["pipe", "ignore", "ignore"] });
  shell.on("error", () => undefined);
  return shell;
}

async function end({ child, survivor }: Kept): Promise<void> {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    const exited = new Promise((resolve) => { child.once("exit", resolve); });
    child.kill("SIGTERM");
    await Promise.race([exited, sleep(10_000)]);
    child.kill("SIGKILL");
  }
  survivor.kill("SIGKILL");
}
