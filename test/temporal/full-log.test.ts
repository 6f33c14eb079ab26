import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished, vi } from "vitest";
import { thisProcess } from "../../store/processes.js";
import { findBinary } from "../../temporal/binary.js";

/** A log on a full disk: every write to it fails with ENOSPC. */
async function fullLog(): Promise<number> {
  const log = await open("/dev/full", "a");
  onTestFinished(() => log.close());
  return log.fd;
}

const moduleOf = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

it.runIf(process.platform === "linux")("a worker goes on though the disk has no room for its log", async () => {
  const home = await mkdtemp(join(tmpdir(), "trueline-full-log-"));
  const binary = await findBinary({ environment: process.env, say: () => undefined });
  const { TEMPORAL_ADDRESS: _, ...environment } = process.env;
  // It says which server it uses.
  const worker = fork(moduleOf("temporal/worker-process.ts"), [home, JSON.stringify(thisProcess)], {
    execArgv: ["--import", "tsx"], stdio: ["ignore", "ignore", await fullLog(), "ipc"],
    env: { ...environment, TEMPORAL_CONFIG_FILE: "/no/such/profile.toml", PATH: `${dirname(binary)}:${process.env.PATH ?? ""}` },
  });
  expect(await Promise.race([once(worker, "message"), once(worker, "exit")])).toEqual(["ready", undefined]);
  worker.disconnect();
  expect(await once(worker, "exit")).toEqual([0, null]);
  await vi.waitFor(() => expect(existsSync(join(home, "server.json"))).toBe(false), { timeout: 30_000 });
  // The server takes a moment longer, and writes its last.
  await rm(home, { recursive: true, maxRetries: 50, retryDelay: 100 });
}, 120_000);

it.runIf(process.platform === "linux")("a command says by its exit code how it ended, whatever becomes of its words", async () => {
  const command = spawn(process.execPath, ["--import", "tsx", moduleOf("cli/main.ts"), "no-such-command"], { stdio: ["ignore", "ignore", await fullLog()] });
  expect(await once(command, "exit")).toEqual([2, null]);
});
