import { MockActivityEnvironment } from "@temporalio/testing";
import { DefaultLogger } from "@temporalio/worker";
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import pc from "picocolors";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Backend } from "../../backends/backend.js";
import { runText } from "../../cli/run-view.js";
import { story } from "../../cli/story.js";
import { randomAt } from "../../foundation/random.js";
import type { LedgerEntry, LedgerEvent } from "../../schemas/events.js";
import { progressSchema } from "../../schemas/progress.js";
import { summarize } from "../../store/state.js";
import { Store } from "../../store/store.js";
import { prepareHome, startChildWorker } from "../../temporal/child-worker.js";
import { observe } from "../../temporal/observe.js";
import { emptyStore, keyOf, planOf, plannedStage } from "../store/home.js";
import { artifactOf, attemptAt, Bench, Calls } from "./computing.js";

const colors = pc.createColors(false);
const plain = plannedStage("base");

/** The words of a run's history. */
async function storyOf(store: Store, run = "r"): Promise<string[]> {
  return (await store.ledger.read(run)).map(({ event }) => story(event));
}

/** A process that attempts `plain`, saves a checkpoint after step 3, and hangs until it is killed. */
async function dyingAttempt(store: Store): Promise<number> {
  const child = fork(fileURLToPath(new URL("./dying-attempt.ts", import.meta.url)), [store.home, JSON.stringify(plain)], { execArgv: ["--import", "tsx"] });
  onTestFinished(() => { child.kill("SIGKILL"); });
  await once(child, "message");
  child.kill("SIGKILL");
  await once(child, "exit");
  return child.pid!;
}

describe("a worker that is killed", () => {
  it("is named by status with what was saved and where its log is, instead of a stage that runs for ever [prefect#10381]", async () => {
    const store = emptyStore();
    await store.runs.create("r", planOf(plain), "someone");
    const pid = await dyingAttempt(store);
    await prepareHome(store.home);
    await writeFile(join(store.home, "logs", `worker-${pid}.log`), "last words\n");
    const run = await observe(store, await store.runs.read("r"), undefined);
    expect(run.state).toBe("interrupted");
    const text = runText(run, store, colors);
    expect(text).toMatch(/base +pretrain +lost, checkpoint after step 3/);
    expect(text).toContain(`base: process ${pid} of `);
    expect(text).toContain(join(store.home, "logs", `worker-${pid}.log`));
    expect(text).toContain("trueline resume r");
  });

  it("is in the history of the attempt that takes its place [prefect#10381]", async () => {
    const store = emptyStore();
    await store.runs.create("r", planOf(plain), "someone");
    const pid = await dyingAttempt(store);
    const bench = await Bench.forTest();
    const stage = bench.stage("pretrain", { model: "policy", data: "sample", steps: 1, batch: 2, length: 8 }, {
      model: await bench.model("policy", "language-model"), data: await bench.data("text.txt", "text", "text"),
    });
    await store.checkpoints.remove(plain.key);
    await attemptAt(store, { ...stage, name: "base", key: plain.key }, { attempt: 2 });
    expect((await storyOf(store)).join("\n")).toMatch(new RegExp(`attempt 2 started in process ${process.pid} .*in place of attempt 1 in process ${pid} of .*, which never told its end; last seen`));
  });

  it("is told with the signal that ended it and its log, by whoever started it [prefect#10381]", async () => {
    const { home } = emptyStore();
    await prepareHome(home);
    const worker = startChildWorker(home);
    process.kill(worker.pid!, "SIGKILL");
    const said = await worker.ended;
    const log = join(home, "logs", `worker-${worker.pid}.log`);
    expect(said).toContain("ended by SIGKILL");
    expect(said).toContain(log);
    expect(await readFile(log, "utf8")).toContain("ended by SIGKILL");
  });
});

describe("a backend that ends", () => {
  it("by a segmentation fault, or killed as for want of memory, is in the history with its signal and what follows [prefect#10381]", async () => {
    const bench = await Bench.forTest();
    const stage = await bench.ppo({ steps: 2 });
    for (const signal of ["SIGSEGV", "SIGKILL"] as const) {
      const store = bench.emptyStore();
      await attemptAt(store, stage, { kill: { after: 1, signal } }).catch(() => undefined);
      const failed = (await store.ledger.read("r")).map(({ event }) => event).at(-1);
      expect(failed).toMatchObject({ type: "stage-failed", retry: true, failure: { code: "TL_BACKEND_LOST", message: expect.stringContaining(`ended by ${signal}`) as string } });
      expect((await storyOf(store)).at(-1)).toContain(`to be tried again: TL_BACKEND_LOST The backend's process ended by ${signal}`);
      if (signal === "SIGKILL") expect(failed).toMatchObject({ failure: { hint: expect.stringContaining("memory") as string } });
    }
  });
});

describe("a run that has finished", () => {
  const worker = { pid: 1, host: "h" };
  const failure = { code: "TL_BACKEND_LOST", message: "m" };
  const plan = planOf(plannedStage("a"), plannedStage("b", ["a"]));
  const of = (name: string) => ({ stage: name, key: keyOf(name) });
  const started = (name: string, attempt = 1): LedgerEvent => ({ type: "stage-started", ...of(name), attempt, worker, inputs: {} });
  const finished = (name: string): LedgerEvent => ({ type: "stage-finished", ...of(name), artifact: keyOf(`${name}!`), seconds: 1, figures: {} });
  const run: readonly LedgerEvent[] = [
    { type: "run-submitted", name: "n", specPath: "p", specDigest: keyOf("s"), planDigest: keyOf("p"), actor: "me", versions: {} },
    started("a"), { type: "checkpoint-saved", ...of("a"), step: 2, checkpoint: keyOf("c"), bytes: 1 }, finished("a"), started("b"), finished("b"), { type: "run-finished" },
  ];
  /** What an attempt that was given up may still write when it comes to itself. */
  const late = (name: string): readonly LedgerEvent[] => [
    started(name, 1), { type: "checkpoint-saved", ...of(name), step: 1, checkpoint: keyOf("z"), bytes: 1 },
    { type: "stage-failed", ...of(name), attempt: 1, failure, retry: false }, { type: "stage-failed", ...of(name), attempt: 1, failure, retry: true },
    { type: "stage-failed", ...of(name), attempt: 1, failure: { code: "TL_STORE_SUPERSEDED", message: "m" }, retry: false },
    { type: "stage-stopped", ...of(name), cause: "timed-out" }, { type: "stage-stopped", ...of(name), cause: "worker-shutdown", checkpoint: 1 },
  ];
  const ends: readonly LedgerEvent[] = [{ type: "run-failed", failures: [{ stage: "b", ...failure }] }, { type: "run-cancelled" }, { type: "run-finished" }];
  const entries = (events: readonly LedgerEvent[]): LedgerEntry[] => events.map((event, sequence) => ({
    run: "r", sequence, at: new Date(sequence < run.length ? sequence : 1e6).toISOString(), previous: keyOf("x"), hash: keyOf("y"), event,
  }));
  const truth = summarize(plan, entries(run));

  it("stays finished, whatever attempts that were given up still write, in any order [prefect#18653]", () => {
    const all = [...late("a"), ...late("b"), ...ends];
    for (let seed = 0; seed < 500; seed++) {
      const random = randomAt(seed, "late events");
      const some = random.shuffled(all).slice(0, 1 + random.integer(all.length));
      expect(summarize(plan, entries([...run, ...some])), `seed ${seed}: ${some.map(({ type }) => type).join(", ")}`).toEqual(truth);
    }
  });

  it("has stages that stay finished while others go on, when attempts at them come to themselves [prefect#18653]", () => {
    const ending = late("a").filter(({ type }) => type === "stage-failed" || type === "stage-stopped");
    for (let seed = 0; seed < 200; seed++) {
      const random = randomAt(seed, "late ends");
      const events = [...run];
      const from = run.indexOf(run.find(({ type }) => type === "stage-finished")!) + 1;
      for (const event of random.shuffled(ending)) events.splice(from + random.integer(events.length - from + 1), 0, event);
      const { state, stages } = summarize(plan, entries(events));
      expect({ state, stages: stages.map((stage) => stage.state) }, `seed ${seed}: ${events.map(({ type }) => type).join(", ")}`).toEqual({ state: "finished", stages: ["finished", "finished"] });
    }
  });
});

/** Opens when told to. */
class Gate {
  open: () => void = () => undefined;
  reached: () => void = () => undefined;
  private readonly opened = new Promise<void>((resolve) => { this.open = resolve; });
  readonly arrival = new Promise<void>((resolve) => { this.reached = resolve; });

  async pass(): Promise<void> {
    this.reached();
    await this.opened;
  }
}

describe("an attempt that was given up and still runs", () => {
  it("ends at its next checkpoint without a trace in the result, its successor's bytes being those of an undisturbed run [dust#4272]", async () => {
    const bench = await Bench.forTest();
    const [store, undisturbed] = [bench.emptyStore(), bench.emptyStore()];
    const stage = await bench.ppo({ steps: 4 });
    const gate = new Gate();
    const calls = new Calls();
    const slow = (backend: Backend): Backend => ({
      ...backend,
      step: async (model, request) => {
        if (calls.generations.length === 2) await gate.pass();
        return backend.step(model, request);
      },
    });
    const given = attemptAt(store, stage, { calls, change: slow }).catch((error: unknown) => error);
    await gate.arrival;
    await attemptAt(store, stage, { attempt: 2 });
    gate.open();
    expect(await given).toMatchObject({ type: "TL_STORE_SUPERSEDED", nonRetryable: true });
    expect(calls.generations.length, "it ends with the step it was at").toBe(2);
    expect(await store.checkpoints.newest(stage.key)).toBeUndefined();
    await attemptAt(undisturbed, stage);
    expect((await artifactOf(store, stage)).digest).toBe((await artifactOf(undisturbed, stage)).digest);
    expect(summarize(planOf(stage), await store.ledger.read("r")).stages[0]).toMatchObject({ state: "finished" });
  });

  it("does not announce itself after its successor has started [dust#4272]", async () => {
    const bench = await Bench.forTest();
    const store = bench.emptyStore();
    const stage = await bench.ppo({ steps: 1 });
    const gate = new Gate();
    const given = attemptAt(store, stage, {
      change: (backend) => ({ ...backend, describe: async () => { await gate.pass(); return backend.describe(); } }),
    }).catch((error: unknown) => error);
    await gate.arrival;
    await attemptAt(store, stage, { attempt: 2 });
    gate.open();
    expect(await given).toMatchObject({ type: "TL_STORE_SUPERSEDED" });
    const attempts = (await store.ledger.read("r")).flatMap(({ event }) => event.type === "stage-started" ? [event.attempt] : []);
    expect(attempts).toEqual([2]);
  });
});

describe("a checkpoint that takes long to save", () => {
  it("beats all the while, so that no heartbeat is missed [FlagScale#1268]", async () => {
    const bench = await Bench.forTest();
    const environment = new MockActivityEnvironment({ attempt: 1 }, { logger: new DefaultLogger("ERROR") });
    const phases: string[] = [];
    environment.on("heartbeat", (details: unknown) => phases.push(progressSchema.parse(details).phase));
    const slow = (backend: Backend): Backend => ({
      ...backend,
      save: async (model, directory, options) => {
        if (options.optimizer) await sleep(2500);
        await backend.save(model, directory, options);
      },
    });
    const stage = bench.stage("sft", { model: "policy", data: "sample", batch: 3, epochs: 1, checkpoint: { everySteps: 1 } }, {
      model: await bench.model("policy", "language-model"), data: await bench.data("dialogues.jsonl", "dialogue", "dialogues"),
    });
    await attemptAt(bench.emptyStore(), stage, { environment, change: slow });
    expect(phases.filter((phase) => phase === "saving checkpoint").length).toBeGreaterThanOrEqual(2);
  });
});
