import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Backend, StepRequest } from "../../../backends/backend.js";
import { constant, log, logProbabilities, multiply } from "../../../backends/expressions.js";
import { startOnnxBackend } from "../../../backends/onnx/index.js";
import { connectBackend } from "../../../backends/rpc.js";
import { initializeModel } from "../../../models/initialize.js";
import { randomBatch, tiny } from "./tiny.js";

const entry = fileURLToPath(new URL("../../../backends/onnx/process.ts", import.meta.url));
const settings = JSON.stringify({ threads: 1, executionProviders: [] });

let directory: string;
let shared: Backend;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "trueline-process-"));
  await initializeModel(directory, { ...tiny, hidden: 128, headSize: 32, layers: 4, intermediate: 512, context: 64 }, 1);
  shared = await startOnnxBackend({ threads: 1 });
  await shared.load({ model: "policy", directory, head: "language", trainable: true });
});
afterAll(async () => {
  await shared.close();
  await rm(directory, { recursive: true });
});

const open: Backend[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((backend) => backend.close()));
});

/** A backend whose process the test holds. */
function forked(nodeOptions: readonly string[] = []): { readonly child: ChildProcess; readonly backend: Backend } {
  const child = fork(entry, [settings], {
    serialization: "advanced", stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: ["--import", "tsx", ...nodeOptions],
  });
  const backend = connectBackend(child);
  open.push(backend);
  return { child, backend };
}

/** A step long enough to be interrupted. */
const longStep: StepRequest = {
  parts: [{
    batch: randomBatch(Array.from({ length: 64 }, () => 64)), arrays: {}, statistics: {},
    loss: [multiply(constant(-1), logProbabilities)],
  }],
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe("the backend's process", () => {
  it("leaves this one's event loop free during a long step", async () => {
    let ticks = 0;
    const begin = performance.now();
    const timer = setInterval(() => ticks++, 10);
    await shared.step("policy", longStep);
    clearInterval(timer);
    const milliseconds = performance.now() - begin;
    expect(milliseconds).toBeGreaterThan(100);
    expect(ticks).toBeGreaterThan(milliseconds / 40);
  });

  it("says what computes", async () => {
    const { dependencies } = JSON.parse(await readFile(fileURLToPath(new URL("../../../package.json", import.meta.url)), "utf8"));
    const { name, versions, device, threads } = await shared.describe();
    expect({ name, threads }).toEqual({ name: "onnx", threads: 1 });
    expect(versions["onnxruntime-node"]?.split(".")[0]).toBe(/\d+/.exec(dependencies["onnxruntime-node"])?.[0]);
    expect(versions["node"]).toBe(process.versions.node);
    expect(device).not.toBe("");
  });

  it("does calls made at once one after the other, in their order", async () => {
    const loading = shared.load({ model: "second", directory, head: "language", trainable: true });
    const batch = randomBatch([5]);
    const step = shared.step("second", { parts: [{ ...longStep.parts[0]!, batch }] });
    const unloading = shared.unload("second");
    const lost = shared.forward("second", { batch, quantities: ["entropy"] });
    await expect(loading).resolves.toMatchObject({ headIsNew: false });
    await expect(step).resolves.toBeDefined();
    await expect(unloading).resolves.toBeUndefined();
    await expect(lost).rejects.toMatchObject({ code: "TL_BACKEND_MODEL_UNKNOWN" });
  });

  it("passes errors with code and hint", async () => {
    await expect(shared.forward("critic", { batch: longStep.parts[0]!.batch, quantities: [] }))
      .rejects.toMatchObject({ name: "TruelineError", code: "TL_BACKEND_MODEL_UNKNOWN", hint: "Loaded: policy." });
    await expect(shared.load({ model: "critic", directory, head: "value", trainable: false }))
      .rejects.toMatchObject({ code: "TL_BACKEND_HEAD_MISSING" });
  });

  it("keeps numbers that are not finite", async () => {
    const batch = randomBatch([5]);
    const part = { batch, arrays: {}, loss: [multiply(constant(Infinity), logProbabilities)], statistics: { nan: [log(logProbabilities)] } };
    const { losses, statistics } = await shared.step("policy", { parts: [part] });
    expect({ losses, statistics }).toEqual({ losses: [-Infinity], statistics: [{ nan: NaN }] });
  });

  it("can be killed: what is under way and what follows is lost, and worth a retry", async () => {
    const { child, backend } = forked();
    await backend.load({ model: "policy", directory, head: "language", trainable: true });
    const step = backend.step("policy", longStep);
    setTimeout(() => child.kill("SIGKILL"), 50);
    await expect(step).rejects.toMatchObject({ code: "TL_BACKEND_LOST", entry: { retry: true } });
    await expect(step).rejects.toThrow("SIGKILL");
    await expect(backend.describe()).rejects.toMatchObject({ code: "TL_BACKEND_LOST" });
  });

  it("that runs out of memory says so, which is not worth a retry", async () => {
    const { backend } = forked(["--max-old-space-size=60"]);
    await backend.describe();
    const endless = Array.from({ length: 400_000 }, (_, index) => multiply(constant(index), logProbabilities));
    await expect(backend.step("policy", { parts: [{ ...longStep.parts[0]!, loss: endless }] })).rejects.toMatchObject({ code: "TL_BACKEND_OUT_OF_MEMORY", entry: { retry: false } });
  });

  it("stops at once when its signal aborts", async () => {
    const controller = new AbortController();
    const backend = await startOnnxBackend({ threads: 1, signal: controller.signal });
    open.push(backend);
    await backend.load({ model: "policy", directory, head: "language", trainable: true });
    const step = backend.step("policy", longStep);
    controller.abort();
    await expect(step).rejects.toMatchObject({ code: "TL_BACKEND_CLOSED" });
  });

  it("closes twice without complaint, and answers no more", async () => {
    const { child, backend } = forked();
    await backend.describe();
    await Promise.all([backend.close(), backend.close()]);
    await backend.close();
    expect(isAlive(child.pid!)).toBe(false);
    await expect(backend.describe()).rejects.toMatchObject({ code: "TL_BACKEND_CLOSED" });
  });

  /** Runs a process that starts a backend, says its process id and does something with it. */
  async function startedElsewhere(rest: string) {
    const source = (path: string) => JSON.stringify(fileURLToPath(new URL(path, import.meta.url)));
    const parent = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", `
      import { fork } from "node:child_process";
      import { connectBackend } from ${source("../../../backends/rpc.ts")};
      const child = fork(${JSON.stringify(entry)}, [${JSON.stringify(settings)}], {
        serialization: "advanced", stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: ["--import", "tsx"] });
      const backend = connectBackend(child);
      backend.describe().then(async () => { ${rest}; console.log(child.pid); });`]);
    const exit = once(parent, "exit");
    const [said] = await once(parent.stdout, "data");
    return { parent, exit, pid: Number(String(said)) };
  }

  it("does not keep the process running that started it, and ends with it", async () => {
    const { exit, pid } = await startedElsewhere("");
    await exit;
    await expect.poll(() => isAlive(pid), { timeout: 5000 }).toBe(false);
  });

  it("leaves its work unfinished when the process that started it is killed", async () => {
    const { parent, exit, pid } = await startedElsewhere(`
      await backend.load({ model: "policy", directory: ${JSON.stringify(directory)}, head: "language", trainable: false });
      const prompts = Array.from({ length: 20_000 }, () => Int32Array.of(1));
      backend.generate("policy", { prompts, maxNewTokens: 60, temperature: 1, endTokens: [], uniforms: new Float32Array(60 * 20_000) });
      await new Promise((resolve) => setTimeout(resolve, 500))`);
    expect(isAlive(pid)).toBe(true);
    parent.kill("SIGKILL");
    await exit;
    await expect.poll(() => isAlive(pid), { timeout: 5000 }).toBe(false);
  });

  it("tells what to install when an execution provider is missing", async () => {
    const missing = startOnnxBackend({ threads: 1, executionProviders: ["tensorrt"] });
    await expect(missing).rejects.toMatchObject({ code: "TL_BACKEND_PROVIDER_MISSING", hint: expect.stringContaining("ONNXRUNTIME_NODE_INSTALL=cuda12") });
  });
});
