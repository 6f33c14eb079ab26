import { readdir, readFile, rm } from "node:fs/promises";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { sha256 } from "../../foundation/canonical.js";
import { version } from "../../foundation/version.js";
import type { LedgerEvent } from "../../schemas/events.js";
import { entriesOf } from "../../store/chronicle.js";
import { Store } from "../../store/store.js";
import { Project, signalGroup, tiny, type Running } from "./program.js";

const runOutput = z.object({
  id: z.string(), state: z.string(),
  stages: z.array(z.object({ name: z.string(), state: z.string() })),
  figures: z.record(z.string(), z.record(z.string(), z.number())),
});

const minutes = 60_000;
let project: Project;
let uninterrupted: string[];

beforeAll(async () => {
  project = await Project.create();
  await project.write("tiny.json", tiny);
}, 20 * minutes);

afterAll(() => project.remove());

async function onlyRun(of: Project): Promise<string> {
  const [id] = await readdir(join(of.home, "runs"));
  return id!;
}

async function eventTypes(of: Project, id: string): Promise<string[]> {
  return (await new Store(of.home).ledger.read(id)).map(({ event }) => event.type);
}

/** Asks a run's ledger alone who, what, when, where, on which versions, from which data, and why it was resumed. */
async function expectAnswers(of: Project, id: string): Promise<void> {
  const entries = await new Store(of.home).ledger.read(id);
  const told = <Type extends LedgerEvent["type"]>(type: Type) => entriesOf(entries, type).map(({ event }) => event);
  const me = `${userInfo().username}@${hostname()}`;
  const spec = await readFile(join(of.directory, "tiny.json"));
  const versions = { trueline: version, node: process.versions.node };
  expect(told("run-submitted"), "who submitted what, with which program").toMatchObject([
    { actor: me, name: "tiny", specPath: join(of.directory, "tiny.json"), specDigest: sha256(spec), versions },
  ]);
  const plan = await new Store(of.home).runs.plan(id, told("run-submitted")[0]!.planDigest);
  expect(plan.spec, "the spec itself").toBe(spec.toString());
  expect(told("cancel-requested"), "who stopped it").toMatchObject([{ actor: me }]);
  expect(told("stage-stopped"), "why, and with which checkpoint").toMatchObject([{ stage: "base", cause: "cancelled", checkpoint: expect.any(Number) as number }]);
  expect(told("run-resumed"), "who resumed it, from what state, with which program").toMatchObject([{ actor: me, attempt: 2, found: "cancelled", versions }]);
  const { digest: data } = z.object({ entries: z.tuple([z.object({ digest: z.string() })]) }).parse(plan.stages[0]!.inputs["data"]).entries[0];
  const [tokenizer] = told("stage-finished");
  expect(told("stage-started"), "where, on which versions and device, from which data and artifacts").toMatchObject([
    { stage: "bpe", worker: { host: hostname() }, versions, inputs: { data: [data] } },
    { stage: "base", worker: { host: hostname() }, versions, inputs: { data: [data], model: [tokenizer!.artifact] }, environment: { backend: "onnx", device: expect.any(String) as string, threads: expect.any(Number) as number, versions: { "onnxruntime-node": expect.any(String) as string } } },
    { stage: "base", resumedFrom: told("stage-stopped")[0]!.checkpoint, worker: { host: hostname() } },
  ]);
  expect(told("stage-finished").map(({ stage, artifact, seconds }) => [stage, artifact.length, seconds > 0]), "what came of it").toEqual([["bpe", 64, true], ["base", 64, true]]);
  expect(entries.map(({ at }) => at), "when").toEqual(entries.map(({ at }) => at).sort());
  expect(await new Store(of.home).ledger.verify(id)).toEqual([]);
}

describe("the built program, from an empty home", () => {
  it("runs a pipeline, saying on stdout one JSON object and on stderr the rest", async () => {
    const { code, stdout, stderr } = await project.run("run", "tiny.json", "--json");
    expect(stderr).toContain("base: finished");
    expect(code).toBe(0);
    const run = runOutput.parse(JSON.parse(stdout));
    expect(run.state).toBe("finished");
    expect(run.stages.map(({ name, state }) => `${name} ${state}`)).toEqual(["bpe finished", "base finished"]);
    expect(run.figures["base"]).toHaveProperty("loss/lm");
    uninterrupted = await project.weights();
    expect(uninterrupted).toHaveLength(1);
  }, 3 * minutes);

  it("answers the same spec from the store within 5 seconds, with no server and no worker", async () => {
    await sleep(2500);
    await rm(join(project.home, "temporal.db"));
    const { code, stdout, seconds } = await project.run("run", "tiny.json", "--json");
    expect(code).toBe(0);
    expect(runOutput.parse(JSON.parse(stdout)).stages.every(({ state }) => state === "reused")).toBe(true);
    expect(seconds).toBeLessThan(5);
    expect(await readdir(project.home)).not.toContain("temporal.db");
    const runs = z.array(z.object({ id: z.string(), name: z.string(), state: z.string() })).parse(JSON.parse((await project.run("runs", "--json")).stdout));
    expect(runs.map(({ state }) => state)).toEqual(["finished", "finished"]);
    expect(runs[0]!.id).toBe(runOutput.parse(JSON.parse(stdout)).id);
  });

  it("leaves no server behind", async () => {
    expect(await readdir(project.home)).not.toContain("server.json");
    expect(await readdir(join(project.home, "server-users"))).toEqual([]);
  });

  it("resumes a run killed in the middle of a stage, Temporal's history lost too, to the same bytes", async () => {
    const killed = await Project.create();
    try {
      await killed.write("tiny.json", tiny);
      const running = killed.start("run", "tiny.json");
      await killed.untilCheckpoint(80);
      signalGroup(running, "SIGKILL");
      await running.ended;
      const id = await onlyRun(killed);
      expect((await eventTypes(killed, id)).filter((type) => type === "stage-finished"), "only the tokenizer is done").toHaveLength(1);
      await sleep(3000);
      expect(JSON.parse((await killed.run("status", id, "--json")).stdout)).toMatchObject({ state: "interrupted" });
      expect((await killed.run("status", id)).stdout).toContain(`trueline resume ${id}`);
      expect(await killed.run("verify"), "what a kill leaves is no damage").toMatchObject({ code: 0 });
      await rm(join(killed.home, "temporal.db"));
      const { code, stderr } = await killed.run("resume", id);
      expect(`${code} ${stderr}`).toMatch(/^0 /);
      const events = (await new Store(killed.home).ledger.read(id)).map(({ event }) => event);
      const starts = events.filter((event) => event.type === "stage-started" && event.stage === "base");
      expect(starts).toHaveLength(2);
      expect(starts[1]).toMatchObject({ resumedFrom: expect.any(Number) as number });
      expect(await killed.weights()).toEqual(uninterrupted);
      expect(await killed.run("verify")).toMatchObject({ code: 0 });
    } finally {
      await killed.remove();
    }
  }, 3 * minutes);

  it("stops on Ctrl-C with a checkpoint, and resumes to the same bytes", async () => {
    const stopped = await Project.create();
    try {
      await stopped.write("tiny.json", tiny);
      const running = stopped.start("run", "tiny.json");
      await stopped.untilCheckpoint(80);
      signalGroup(running, "SIGINT");
      const { code, stdout } = await running.ended;
      expect(code, "a cancelled run is not done").toBe(1);
      const id = await onlyRun(stopped);
      expect(stdout).toContain(`trueline resume ${id}`);
      expect(await eventTypes(stopped, id)).toEqual(expect.arrayContaining(["cancel-requested", "stage-stopped", "run-cancelled"]));
      expect((await stopped.run("resume", id)).code).toBe(0);
      expect(await stopped.weights()).toEqual(uninterrupted);
      await expectAnswers(stopped, id);
    } finally {
      await stopped.remove();
    }
  }, 3 * minutes);

  it("refuses to resume what is alive, and cancels it from another terminal", async () => {
    const busy = await Project.create();
    try {
      await busy.write("long.json", { ...tiny, stages: { ...tiny.stages, base: { ...tiny.stages.base, steps: 200_000 } } });
      const running = busy.start("run", "long.json", "--json");
      await busy.untilCheckpoint(40);
      const id = await onlyRun(busy);
      // The newest beat may be a second old, from before the first step.
      await vi.waitFor(async () => {
        expect(JSON.parse((await busy.run("status", id, "--json")).stdout)).toMatchObject({ state: "running", stages: [{}, { progress: { of: 200_000 } }] });
      }, 20_000);
      expect(await busy.run("resume", id)).toMatchObject({ code: 4, stderr: expect.stringContaining("TL_RUN_ALIVE") as string });
      expect((await busy.run("cancel", id)).code).toBe(0);
      const { code, stdout } = await running.ended;
      expect(code).toBe(1);
      expect(runOutput.parse(JSON.parse(stdout))).toMatchObject({ state: "cancelled", stages: [{}, { state: "stopped" }] });
      expect((await busy.run("cancel", id)).code).toBe(4);
      expect((await busy.run("status", "nonesuch")).code).toBe(3);
    } finally {
      await busy.remove();
    }
  }, 3 * minutes);

  it("shares a server and a worker between commands, which end when asked to", async () => {
    const shared = await Project.create();
    try {
      await shared.write("tiny.json", tiny);
      expect(await shared.run("submit", "tiny.json")).toMatchObject({ code: 1, stderr: expect.stringContaining("trueline server") as string });
      const server = shared.start("server", "--json");
      await said(server, /address/);
      const { stdout, stderr } = await shared.run("submit", "tiny.json", "--json");
      expect(stderr).toContain("No worker is there");
      const { id } = z.object({ id: z.string() }).parse(JSON.parse(stdout));
      expect(JSON.parse((await shared.run("status", id, "--json")).stdout)).toMatchObject({ state: "waiting", unattended: ["trueline-cpu"] });
      const worker = shared.start("worker", "--json");
      expect(await shared.run("watch", id)).toMatchObject({ code: 0, stdout: expect.stringContaining("finished") as string });
      expect(await shared.weights()).toEqual(uninterrupted);
      for (const each of [worker, server]) {
        signalGroup(each, "SIGTERM");
        expect((await each.ended).code).toBe(0);
      }
    } finally {
      await shared.remove();
    }
  }, 3 * minutes);
});

function said({ child }: Running, words: RegExp): Promise<void> {
  return new Promise((resolve) => { child.stdout!.on("data", (chunk: Buffer) => { if (words.test(chunk.toString())) resolve(); }); });
}
