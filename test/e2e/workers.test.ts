import { cp, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { Store } from "../../store/store.js";
import { program, Project, signalGroup, tiny, type Running } from "./program.js";

const minutes = 60_000;
const workersOutput = z.array(z.object({ pid: z.number(), queues: z.array(z.string()), doing: z.object({ run: z.string(), stage: z.string() }).optional() }));

let project: Project;
let started: Running[];
beforeEach(async () => { project = await Project.create(); started = []; });
afterEach(async () => {
  // The server last: workers give back what they have.
  for (const { child, ended } of started.reverse()) {
    child.kill("SIGTERM");
    await ended;
  }
  await project.remove();
});

function start(...words: readonly string[]): Running {
  const running = project.start(...words);
  started.push(running);
  return running;
}

/** Waits for the workers that fit, as `trueline workers` lists them. */
async function untilWorkers(fit: (workers: z.output<typeof workersOutput>) => boolean): Promise<void> {
  for (let looks = 0; looks < 120; looks++) {
    if (fit(workersOutput.parse(JSON.parse((await project.run("workers", "--json")).stdout)))) return;
    await sleep(250);
  }
  throw new Error("the workers did not come");
}

async function untilStage(id: string, state: string): Promise<void> {
  for (let looks = 0; looks < 120; looks++) {
    if ((await project.run("status", id)).stdout.includes(state)) return;
    await sleep(250);
  }
  throw new Error(`no stage is ${state}`);
}

describe("the built program's workers", () => {
  it("get the stages that they have the GPUs for, say what they do, and hand them on when they are drained", async () => {
    const spec = { ...tiny, stages: { ...tiny.stages, base: { ...tiny.stages.base, steps: 20_000, resources: { gpus: 2 } } } };
    await project.write("gpu.json", spec);
    start("server");
    start("worker");
    await untilWorkers((workers) => workers.length === 1);
    const submitted = await project.run("submit", "gpu.json");
    expect(submitted).toMatchObject({ code: 0, stderr: expect.stringContaining("No worker offers 2 GPUs: start one with `trueline worker --gpus 2`.") as string });
    const id = submitted.stdout.trim();
    await untilStage(id, "finished");
    expect((await project.run("status", id)).stdout).toContain("`trueline worker --gpus 2`");

    const first = start("worker", "--only", "gpu", "--gpus", "4");
    await untilWorkers((workers) => workers.some(({ pid, doing }) => pid === first.child.pid && doing?.run === id && doing.stage === "base"));
    await project.untilCheckpoint(1);
    const second = start("worker", "--only", "gpu", "--gpus", "2");
    await untilWorkers((workers) => workers.length === 3);
    first.child.kill("SIGTERM");
    expect((await first.ended).code).toBe(0);
    await untilWorkers((workers) => workers.some(({ pid, doing }) => pid === second.child.pid && doing?.stage === "base"));
    await project.run("cancel", id);
    expect((await project.run("watch", id)).stdout).toContain("cancelled");

    const events = (await new Store(project.home).ledger.read(id)).map(({ event }) => event);
    const attempts = events.flatMap((event) => event.type === "stage-started" && event.stage === "base" ? [event] : []);
    expect(attempts.map(({ worker, resumedFrom }) => [worker.pid, resumedFrom !== undefined])).toEqual([[first.child.pid, false], [second.child.pid, true]]);
  }, 5 * minutes);
});

describe("a run beside another one", () => {
  const long = (seed: number) => ({ ...tiny, seed, stages: { ...tiny.stages, base: { ...tiny.stages.base, steps: 20_000, resources: { cpus: 1 } } } });
  const short = (seed: number) => ({ ...tiny, seed, stages: { ...tiny.stages, base: { ...tiny.stages.base, steps: 20, resources: { cpus: 1 } } } });
  const lines = async (id: string) => (await new Store(project.home).ledger.read(id)).length;

  it("does not go on with one whose command was killed, and says so", async () => {
    await project.write("a.json", long(1));
    const killed = project.start("run", "a.json");
    await project.untilCheckpoint(1);
    signalGroup(killed, "SIGKILL");
    await killed.ended;
    const [{ id }] = z.tuple([z.object({ id: z.string() })]).parse(JSON.parse((await project.run("runs", "--json")).stdout));
    const before = await lines(id);
    await project.write("b.json", short(2));
    const left = `Run ${id} was interrupted and is left as it is. Go on with it: trueline resume ${id}`;
    expect(await project.run("run", "b.json")).toMatchObject({ code: 0, stderr: expect.stringContaining(left) as string });
    expect(await lines(id)).toBe(before);
  }, 5 * minutes);

  it("is told what it waits for", async () => {
    start("server");
    start("worker", "--slots", "1");
    await untilWorkers((workers) => workers.length === 1);
    await project.write("a.json", long(1));
    await project.write("b.json", short(2));
    const first = (await project.run("submit", "a.json")).stdout.trim();
    await untilWorkers((workers) => workers.some(({ doing }) => doing?.stage === "base"));
    const second = (await project.run("submit", "b.json")).stdout.trim();
    const watching = project.start("watch", second);
    let said = "";
    watching.child.stderr?.on("data", (chunk: Buffer) => { said += chunk.toString(); });
    for (let looks = 0; looks < 240 && !said.includes("Waiting"); looks++) await sleep(250);
    expect(said).toContain(`Waiting for a free worker: base of run ${first} is under way.`);
    await project.run("cancel", first);
    expect((await watching.ended).code).toBe(0);
  }, 5 * minutes);
});

it("a worker goes on with the code that it began with while the program is built anew under it", async () => {
  const [dist, app] = [dirname(dirname(program)), join(project.directory, "app")];
  await mkdir(app);
  for (const name of ["dist", "data", "package.json"]) await cp(join(dist, "..", name), join(app, name), { recursive: true });
  await symlink(join(dist, "..", "node_modules"), join(app, "node_modules"));
  await project.write("tiny.json", { ...tiny, stages: { ...tiny.stages, base: { ...tiny.stages.base, steps: 20, resources: { cpus: 1 } } } });
  const running = project.startProgram(join(app, "dist", "cli", "main.js"), ["run", "tiny.json"]);
  for (let looks = 0; looks < 1200 && (await readdir(join(project.home, "workers")).catch(() => [])).length === 0; looks++) await sleep(50);
  // What a compiler has begun to write is empty.
  for (const name of ["training/tokenizer.js", "training/pretrain.js", "backends/onnx/index.js", "backends/torch/index.js"]) await writeFile(join(app, "dist", name), "");
  const { code, stdout } = await running.ended;
  expect([code, stdout]).toEqual([0, expect.stringContaining("finished")]);
}, 5 * minutes);
