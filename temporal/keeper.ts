import { spawn, type ChildProcess } from "node:child_process";
import { openSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writeWhole } from "../store/files.js";
import { withLock } from "../store/lock.js";
import { thisProcess } from "../store/processes.js";
import { answers, liveUsers, serverLock, type EmbeddedServer } from "./embedded.js";

// The process that holds an embedded Temporal server and ends it when nobody uses it any more, however they went.

const startSeconds = 60;
const [home, binary, wanted] = process.argv.slice(2) as [string, string, string | undefined];
const logPath = join(home, "server.log");

const server = await start();
if (server !== undefined) await keep(server);

async function start(): Promise<ChildProcess | undefined> {
  if (wanted !== undefined && await answers(Number(wanted))) return give({ failed: "its port is in use", portTaken: true });
  const port = wanted === undefined ? await freePort() : Number(wanted);
  const log = openSync(logPath, "w");
  const child = spawn(binary, [
    "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", String(port), "--db-filename", join(home, "temporal.db"), "--log-level", "error",
  ], { stdio: ["ignore", log, log] });
  let ended = false;
  child.once("error", () => { ended = true; });
  child.once("exit", () => { ended = true; });
  for (let waited = 0; !ended && waited < startSeconds * 20; waited++) {
    if (await answers(port)) {
      const ready: EmbeddedServer = { keeper: thisProcess, port, startedAt: new Date().toISOString() };
      await writeWhole(join(home, "server.json"), JSON.stringify(ready));
      process.send?.({ ready });
      return child;
    }
    await sleep(50);
  }
  child.kill("SIGKILL");
  return give({ failed: readFileSync(logPath, "utf8").trim().slice(-500) || "it said nothing", portTaken: false });
}

function give(message: object): undefined {
  process.send?.(message);
  return undefined;
}

/** Watches server and users; ends one when the others have gone. */
async function keep(child: ChildProcess): Promise<void> {
  const survivor = outlive(child);
  let stop = false;
  let gone = false;
  process.once("SIGTERM", () => { stop = true; });
  process.on("SIGINT", () => undefined);
  child.once("exit", () => { gone = true; });
  while (!gone) {
    await sleep(1000);
    await withLock(serverLock(home), async () => {
      if (!gone && !stop && (await liveUsers(home)).length > 0) return;
      // Under the lock nobody can enter between the look and the end.
      await rm(join(home, "server.json"), { force: true });
      if (!gone) await endChild(child);
      gone = true;
    });
  }
  survivor.kill("SIGKILL");
}

/** Ends the server should this keeper be killed: a shell that waits for its end of a pipe to close. */
function outlive(child: ChildProcess): ChildProcess {
  const shell = spawn("sh", ["-c", 'read -r _; kill -KILL "$0"', String(child.pid)], { stdio: ["pipe", "ignore", "ignore"] });
  shell.on("error", () => undefined);
  return shell;
}

async function endChild(child: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => { child.once("exit", resolve); });
  child.kill("SIGTERM");
  await Promise.race([exited, sleep(10_000)]);
  child.kill("SIGKILL");
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
