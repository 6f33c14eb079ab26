import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { chmod, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { cacheDirectory, findBinary } from "../../temporal/binary.js";
import { Pipelines } from "../../temporal/client.js";
import { configuredAddress, presentAddress } from "../../temporal/connection.js";
import { enterServer, holdServer, leaveServer, runningServer } from "../../temporal/embedded.js";

function emptyHome(): string {
  const home = mkdtempSync(join(tmpdir(), "trueline-server-"));
  // A server that was killed may be writing still.
  onTestFinished(() => rm(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
  return home;
}

async function untilStopped(home: string): Promise<void> {
  for (let looks = 0; looks < 150 && (await readdir(home)).includes("server.json"); looks++) await sleep(100);
  expect(await runningServer(home)).toBeUndefined();
}

/** Another process that uses the home's server. */
async function user(home: string) {
  const child = fork(fileURLToPath(new URL("./server-user.ts", import.meta.url)), [home], { execArgv: ["--import", "tsx"] });
  const [port] = await once(child, "message") as [number];
  return { child, port };
}

function childrenOf(pid: number): number[] {
  return execFileSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" }).trim().split(/\s+/).map(Number);
}

beforeAll(async () => {
  process.env.TEMPORAL_CONFIG_FILE = "/no/such/profile.toml";
  delete process.env.TEMPORAL_ADDRESS;
  const binary = await findBinary({ environment: process.env, say: (text) => console.error(text) });
  process.env.PATH = `${dirname(binary)}:${process.env.PATH ?? ""}`;
}, 20 * 60_000);

describe("the embedded server", () => {
  it("is shared by several processes and ends when the last has left or was killed", async () => {
    const home = emptyHome();
    const { port } = await enterServer(home, () => undefined);
    const other = await user(home);
    expect(other.port).toBe(port);
    await leaveServer(home);
    await sleep(2500);
    expect(await runningServer(home)).toMatchObject({ port });
    const address = (await presentAddress(home))!;
    const pipelines = await Pipelines.connect(address);
    expect(await pipelines.view("unknown")).toBeUndefined();
    expect(await pipelines.listeners("trueline-cpu")).toEqual([]);
    await pipelines.close();
    other.child.kill("SIGKILL");
    await untilStopped(home);
    expect(await readdir(home)).toContain("temporal.db");
  });

  it("is started again on its port, its keeper or itself killed, for a process that holds it; a killed keeper leaves none behind", async () => {
    const home = emptyHome();
    const { port, keeper } = await enterServer(home, () => undefined);
    const said: string[] = [];
    const held = holdServer(home, (text) => said.push(text));
    process.kill(keeper.pid, "SIGKILL");
    await vi.waitFor(() => expect(said).toHaveLength(1), { timeout: 20_000 });
    const second = await runningServer(home);
    expect(second?.port).toBe(port);
    expect(second?.keeper.pid).not.toBe(keeper.pid);
    for (const pid of childrenOf(second!.keeper.pid)) process.kill(pid, "SIGKILL");
    await vi.waitFor(() => expect(said).toHaveLength(2), { timeout: 20_000 });
    expect(await runningServer(home)).toMatchObject({ port });
    await held.stop();
    await leaveServer(home);
    await untilStopped(home);
  });

  it("that has no room for its database is told as such, and is there again once there is room", async () => {
    const home = emptyHome();
    const { port, keeper } = await enterServer(home, () => undefined);
    const pipelines = await Pipelines.connect((await presentAddress(home))!);
    const said: string[] = [];
    const held = holdServer(home, (text) => said.push(text));
    const wholePath = process.env.PATH;
    const folder = emptyHome();
    await writeFile(join(folder, "temporal"), "#!/bin/sh\necho 'error: database or disk is full (13)'\nexit 1\n", { mode: 0o755 });
    process.env.PATH = `${folder}:${wholePath}`;
    process.kill(keeper.pid, "SIGKILL");
    await vi.waitFor(() => expect(held.fault).toMatchObject({ code: "TL_STORE_FULL", message: expect.stringContaining("disk is full") as string }), { timeout: 20_000 });
    await expect(pipelines.view("run")).rejects.toMatchObject({ code: "TL_TEMPORAL_UNAVAILABLE" });
    process.env.PATH = wholePath;
    await vi.waitFor(() => expect(held.fault).toBeUndefined(), { timeout: 20_000 });
    expect(await runningServer(home)).toMatchObject({ port });
    expect(said).toEqual([expect.stringMatching(/^TL_STORE_FULL .* can't be started again/), expect.stringMatching(/was started again/)]);
    await pipelines.close();
    await held.stop();
    await leaveServer(home);
    await untilStopped(home);
  });

  it("says so when the port asked for is in use", async () => {
    const home = emptyHome();
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const address = taken.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await expect(enterServer(home, () => undefined, port)).rejects.toMatchObject({ code: "TL_TEMPORAL_PORT", entry: { exit: 4 } });
    taken.close();
  });

  it("that can't start says what the program said", async () => {
    const home = emptyHome();
    await writeFile(join(home, "temporal.db"), "this is no database".repeat(100));
    await expect(enterServer(home, () => undefined)).rejects.toMatchObject({ code: "TL_TEMPORAL_START" });
  });
});

describe("the address", () => {
  it("is the environment's where that names one", () => {
    expect(configuredAddress()).toBeUndefined();
    process.env.TEMPORAL_ADDRESS = "temporal.example:7233";
    process.env.TEMPORAL_NAMESPACE = "team";
    onTestFinished(() => {
      delete process.env.TEMPORAL_ADDRESS;
      delete process.env.TEMPORAL_NAMESPACE;
    });
    expect(configuredAddress()).toMatchObject({ options: { address: "temporal.example:7233" }, namespace: "team", embedded: false });
  });

  it("that nobody answers at is an error that names it", async () => {
    const address = { options: { address: "127.0.0.1:9" }, namespace: "default", embedded: false };
    await expect(Pipelines.connect(address)).rejects.toMatchObject({ code: "TL_TEMPORAL_UNAVAILABLE", message: expect.stringContaining("127.0.0.1:9") as string });
  }, 30_000);
});

describe("the program", () => {
  async function program(folder: string): Promise<string> {
    await mkdir(folder, { recursive: true });
    const path = join(folder, "temporal");
    await writeFile(path, "#!/bin/sh\n");
    await chmod(path, 0o755);
    return path;
  }

  it("on PATH goes before one in the cache, and it is said which", async () => {
    const folder = emptyHome();
    const said: string[] = [];
    const environment = { PATH: join(folder, "bin"), XDG_CACHE_HOME: join(folder, "cache") };
    const cached = await program(join(cacheDirectory(environment), "1.5.1"));
    expect(await findBinary({ environment, say: (text) => said.push(text) })).toBe(cached);
    const onPath = await program(join(folder, "bin"));
    expect(await findBinary({ environment, say: (text) => said.push(text) })).toBe(onPath);
    expect(said).toEqual([expect.stringContaining(cached), expect.stringContaining(onPath)]);
  });
});
