import { execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import type { StepRequest } from "../../../backends/backend.js";
import { constant, log, logProbabilities, multiply } from "../../../backends/expressions.js";
import { startTorchBackend, type TorchBackend, type TorchBackendOptions } from "../../../backends/torch/index.js";
import { findPython } from "../../../backends/torch/python.js";
import { initializeModel } from "../../../models/initialize.js";
import { randomBatch, tiny } from "../contract/support.js";
import { describeWithPython } from "./python.js";

const markName = "TRUELINE_TEST_MARK";
let directory: string;
let mark: string;
const open: TorchBackend[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "trueline-torch-processes-"));
  await initializeModel(directory, { ...tiny, vocabulary: 40_000, hidden: 64, headSize: 16, layers: 4, intermediate: 256, context: 512 }, 1);
});
afterAll(() => rm(directory, { recursive: true }));
beforeEach(() => {
  mark = randomUUID();
  process.env[markName] = mark;
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((backend) => backend.close()));
  process.env[markName] = "";
  await expectNothingLeft();
});

async function start(options: TorchBackendOptions = {}): Promise<TorchBackend> {
  const backend = await startTorchBackend({ threads: 1, device: "cpu", ...options });
  open.push(backend);
  return backend;
}

/** Processes that carry the mark in their environment, with their command lines. */
async function marked(): Promise<readonly { readonly id: number; readonly command: string; readonly environment: string }[]> {
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number).filter((id) => id !== process.pid);
  const found = await Promise.all(ids.map(async (id) => {
    const read = (name: string) => readFile(`/proc/${id}/${name}`, "utf8").catch(() => "");
    return { id, command: (await read("cmdline")).replaceAll("\0", " "), environment: await read("environ") };
  }));
  return found.filter(({ environment }) => environment.includes(`${markName}=${mark}`));
}

const expectNothingLeft = (): Promise<void> =>
  expect.poll(async () => (await marked()).map(({ command }) => command), { timeout: 120_000, interval: 200 }).toEqual([]);

/** Many seconds of work, whatever the machine. */
const longStep: StepRequest = {
  parts: Array.from({ length: 400 }, () => ({
    batch: randomBatch(Array.from({ length: 16 }, () => 256)), arrays: {}, statistics: {}, loss: [multiply(constant(-1), logProbabilities)],
  })),
};

async function busy(options: TorchBackendOptions = {}) {
  const backend = await start(options);
  await backend.load({ model: "policy", directory, head: "language", trainable: true });
  const step = backend.step("policy", longStep);
  step.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return { backend, step };
}

async function killThat(matches: (command: string) => boolean, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
  const found = (await marked()).find(({ command }) => matches(command));
  expect(found, "the process to kill").toBeDefined();
  process.kill(found!.id, signal);
}
const isAgent = (command: string) => command.includes("trueline_torch.agent");
const isMember = (command: string) => command.includes("-m trueline_torch") && !isAgent(command);

/** A stand-in for the interpreter that starts it as the script says. */
async function wrapper(script: string): Promise<string> {
  const path = join(directory, `python-${randomUUID()}`);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

describeWithPython("the torch backend's processes", () => {
  it("say what they are and what they hold", async () => {
    const backend = await start({ processes: 2 });
    expect(await backend.describe()).toMatchObject({ name: "torch", threads: 1, device: expect.stringMatching(/^2 × ./), versions: { torch: expect.stringMatching(/^2\./) } });
    const figures = await backend.figures();
    expect(figures).toHaveLength(2);
    for (const { residentBytes } of figures) expect(residentBytes).toBeGreaterThan(1e7);
  });

  it("do calls made at once one after the other, in their order, and keep numbers that are not finite", async () => {
    const backend = await start();
    const batch = randomBatch([5]);
    const part = { batch, arrays: {}, loss: [multiply(constant(Infinity), logProbabilities)], statistics: { nan: [log(logProbabilities)] } };
    const loading = backend.load({ model: "second", directory, head: "language", trainable: true });
    const step = backend.step("second", { parts: [part] });
    const unloading = backend.unload("second");
    const lost = backend.forward("second", { batch, quantities: ["entropy"] });
    await expect(loading).resolves.toMatchObject({ headIsNew: false });
    await expect(step).resolves.toMatchObject({ losses: [-Infinity], statistics: [{ nan: NaN }] });
    await expect(unloading).resolves.toBeUndefined();
    await expect(lost).rejects.toMatchObject({ code: "TL_BACKEND_MODEL_UNKNOWN" });
  });

  it.each([1, 2])("are gone when one of %d is killed, and what was under way is lost and worth a retry", async (processes) => {
    const { backend, step } = await busy({ processes });
    await killThat(isMember);
    await expect(step).rejects.toMatchObject({ code: "TL_BACKEND_LOST", entry: { retry: true } });
    await expect(step).rejects.toThrow("SIGKILL");
    await expectNothingLeft();
    await expect(backend.describe()).rejects.toMatchObject({ code: "TL_BACKEND_LOST" });
  });

  it("are gone when torchrun is killed", async () => {
    const { step } = await busy({ processes: 2 });
    await killThat(isAgent);
    await expect(step).rejects.toMatchObject({ code: "TL_BACKEND_LOST" });
    await expectNothingLeft();
  });

  it.each([1, 2])("are gone, all %d, when the process that started them is killed in the midst of a step", async (processes) => {
    const source = JSON.stringify(fileURLToPath(new URL("../../../backends/torch/index.ts", import.meta.url)));
    const parent = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", `
      import { startTorchBackend } from ${source};
      const backend = await startTorchBackend({ threads: 1, device: "cpu", processes: ${processes} });
      await backend.load({ model: "policy", directory: ${JSON.stringify(directory)}, head: "language", trainable: false });
      const prompts = Array.from({ length: 2000 }, () => Int32Array.of(1));
      backend.generate("policy", { prompts, maxNewTokens: 400, temperature: 1, endTokens: [], uniforms: new Float32Array(400 * 2000) });
      setTimeout(() => console.log("started"), 1000)`], { stdio: ["ignore", "pipe", "inherit"] });
    const exit = once(parent, "exit");
    await once(parent.stdout, "data");
    expect((await marked()).filter(({ command }) => isMember(command))).toHaveLength(processes);
    parent.kill("SIGKILL");
    await exit;
    await expectNothingLeft();
  });

  it("are gone when the process that started them is killed before they are there", async () => {
    const source = JSON.stringify(fileURLToPath(new URL("../../../backends/torch/index.ts", import.meta.url)));
    const parent = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", `
      import { startTorchBackend } from ${source};
      await startTorchBackend({ threads: 1, device: "cpu", processes: 2 });`], { stdio: "ignore" });
    const exit = once(parent, "exit");
    await expect.poll(async () => (await marked()).filter(({ command }) => isAgent(command)).length, { timeout: 120_000, interval: 20 }).toBe(1);
    parent.kill("SIGKILL");
    await exit;
    await expectNothingLeft();
  });

  it("do not keep the process running that started them", async () => {
    const source = JSON.stringify(fileURLToPath(new URL("../../../backends/torch/index.ts", import.meta.url)));
    const parent = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", `
      import { startTorchBackend } from ${source};
      const backend = await startTorchBackend({ threads: 1, device: "cpu" });
      await backend.describe();`], { stdio: ["ignore", "inherit", "inherit"] });
    expect((await once(parent, "exit"))[0]).toBe(0);
    await expectNothingLeft();
  });

  it("stop at once when the signal aborts", async () => {
    const controller = new AbortController();
    const { step } = await busy({ processes: 2, signal: controller.signal });
    controller.abort();
    await expect(step).rejects.toMatchObject({ code: "TL_BACKEND_CLOSED" });
    await expectNothingLeft();
  });

  it("that stand still are found out", async () => {
    const { step } = await busy({ processes: 2, stallSeconds: 5 });
    await killThat(isMember, "SIGSTOP");
    await expect(step).rejects.toMatchObject({ code: "TL_STAGE_STALLED", entry: { retry: true } });
    await expectNothingLeft();
  });

  it("are not taken to stand still while a call of many pieces goes on", async () => {
    const backend = await start({ stallSeconds: 5 });
    await backend.load({ model: "policy", directory, head: "language", trainable: true });
    const [part] = longStep.parts;
    const small = { ...part!, batch: randomBatch([64, 64]) };
    await backend.step("policy", { parts: [small] });
    const begin = performance.now();
    await backend.step("policy", { parts: [small] });
    const each = performance.now() - begin;
    await backend.step("policy", { parts: Array.from({ length: Math.ceil(12_000 / each) }, () => small) });
    expect(performance.now() - begin).toBeGreaterThan(5000);
  });

  it("that run out of memory say so and what to lower, and one alone goes on", async () => {
    const python = await wrapper(`ulimit -v 16000000\nexec ${await findPython()} "$@"`);
    const backend = await start({ python, pieceTokens: 1_000_000 });
    await backend.load({ model: "policy", directory, head: "language", trainable: true });
    // logits of 200 · 511 · 40,000 numbers
    const batch = { sequences: Array.from({ length: 200 }, () => new Int32Array(512)), targets: Array.from({ length: 200 }, () => Int32Array.from({ length: 511 }, (_, index) => index + 1)) };
    await expect(backend.step("policy", { parts: [{ batch, arrays: {}, statistics: {}, loss: [logProbabilities] }] }))
      .rejects.toMatchObject({ code: "TL_BACKEND_OUT_OF_MEMORY", entry: { retry: false }, hint: expect.stringContaining("pieceTokens") });
    expect((await backend.forward("policy", { batch: randomBatch([5]), quantities: ["entropy"] })).entropy).toBeDefined();
  });

  it("end together when memory runs out in one of them", async () => {
    const backend = await start({ processes: 2, pieceTokens: 100_000 });
    await backend.load({ model: "policy", directory, head: "language", trainable: true });
    const { id } = (await marked()).find(({ environment }) => environment.includes("\0RANK=1\0"))!;
    const taken = Number(/VmSize:\s*(\d+) kB/.exec(await readFile(`/proc/${id}/status`, "utf8"))![1]) * 1024;
    execFileSync("prlimit", ["--pid", String(id), `--as=${taken + 2 ** 27}`]);
    // each process has logits of 4 · 511 · 40,000 numbers
    const batch = { sequences: Array.from({ length: 8 }, () => new Int32Array(512)), targets: Array.from({ length: 8 }, () => Int32Array.from({ length: 511 }, (_, index) => index + 1)) };
    await expect(backend.step("policy", { parts: [{ batch, arrays: {}, statistics: {}, loss: [logProbabilities] }] })).rejects.toMatchObject({ code: "TL_BACKEND_OUT_OF_MEMORY" });
    await expectNothingLeft();
  });

  it("that do not start tell their last words", async () => {
    const python = await wrapper(`if [ "$1" = -c ]; then exec ${await findPython()} "$@"; fi\necho "no such luck" >&2\nexit 3`);
    await expect(start({ python })).rejects.toMatchObject({ code: "TL_BACKEND_LOST", message: expect.stringMatching(/exit code 3[^]*no such luck/) });
  });

  it("need a Python, and say what to install where there is none", async () => {
    await expect(start({ python: "/nowhere/python" })).rejects.toMatchObject({ code: "TL_BACKEND_PYTHON_MISSING", message: expect.stringContaining("/nowhere/python") });
    const bare = await wrapper(`exec ${await findPython()} -S "$@"`);
    await expect(start({ python: bare })).rejects.toMatchObject({
      code: "TL_BACKEND_PYTHON_MISSING", message: expect.stringContaining("torch, transformers, safetensors"), hint: expect.stringMatching(/-m pip install .*backends\/torch/),
    });
  });

  it("find no GPU where there is none", async () => {
    if ((await readdir("/dev")).includes("nvidia0")) return;
    await expect(start({ device: "cuda" })).rejects.toMatchObject({ code: "TL_BACKEND_PROVIDER_MISSING" });
  });
});
