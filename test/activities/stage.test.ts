import { Context } from "@temporalio/activity";
import { ActivityCancellationDetails, ApplicationFailure, CancelledFailure } from "@temporalio/common";
import { MockActivityEnvironment } from "@temporalio/testing";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { recordEnd } from "../../activities/control.js";
import { createControls } from "../../activities/index.js";
import { readArtifacts, readData } from "../../activities/inputs.js";
import { withDeadline } from "../../activities/pulse.js";
import { attemptStage, type StageWork } from "../../activities/stage.js";
import { createReferenceBackend } from "../../backends/reference/index.js";
import { sha256 } from "../../foundation/canonical.js";
import { TruelineError } from "../../foundation/errors.js";
import { digestModelDirectory } from "../../models/directory-digest.js";
import { progressSchema } from "../../schemas/progress.js";
import type { StageOutcome } from "../../schemas/task.js";
import type { Store } from "../../store/store.js";
import { outcome } from "./outcome.js";
import { emptyStore, filled, keyOf, plannedStage } from "../store/home.js";

const stage = plannedStage("s");
const task = { run: "r", stage, artifacts: {} };
const metadata = { figures: { "loss/lm": 1 } };

/** Writes a file and is done. */
const easy: StageWork = async (attempt, output) => {
  await attempt.started();
  await writeFile(join(output, "model"), "weights");
  return metadata;
};

/** Saves a checkpoint when told to stop, as the training loop does. */
const long: StageWork = async ({ started, signal, openCheckpoint, pulse }) => {
  await started();
  if (!signal.aborted) await new Promise((resolve) => { signal.addEventListener("abort", resolve, { once: true }); });
  const slot = await openCheckpoint(3);
  await writeFile(join(slot.directory, "state"), "3");
  await slot.publish();
  pulse.update({ stage: "s", phase: "training", step: 3, of: 9, checkpoint: 3, metrics: {} });
  throw new TruelineError("TL_TRAIN_CANCELLED", "stopped");
};

async function attempt(store: Store, work: StageWork, environment = new MockActivityEnvironment(), of: unknown = task): Promise<StageOutcome> {
  return outcome(await environment.run(() => attemptStage(store, Context.current(), of, "language-model", work)));
}

async function events(store: Store, run = "r"): Promise<string[]> {
  return (await store.ledger.read(run)).map(({ event }) => event.type);
}

describe("an attempt at a stage", () => {
  it("publishes artifact and result, tells the ledger, and is not done twice", async () => {
    const store = emptyStore();
    const { artifact, reused } = await attempt(store, easy);
    expect(reused).toBe(false);
    expect(await readFile(join(store.artifacts.directory(artifact), "model"), "utf8")).toBe("weights");
    expect(await attempt(store, () => { throw new Error("not again"); })).toEqual({ artifact, reused: true });
    expect(await events(store)).toEqual(["stage-started", "stage-finished", "stage-reused"]);
    expect(await store.claims.holder(stage.key)).toBeUndefined();
  });

  it("is not begun where the run is to stop, and tells nothing; resumed, it is", async () => {
    const store = emptyStore();
    const cancelled = [{ type: "cancel-requested", actor: "me" }, { type: "run-cancelled" }] as const;
    for (const event of cancelled) {
      await store.ledger.append("r", event);
      await expect(attempt(store, easy)).rejects.toMatchObject({ type: "TL_RUN_OVER", nonRetryable: true });
    }
    expect(await events(store)).toEqual(["cancel-requested", "run-cancelled"]);
    await store.ledger.append("r", { type: "run-resumed", attempt: 2, actor: "me", found: "cancelled", versions: {} });
    expect(await attempt(store, easy)).toMatchObject({ reused: false });
  });

  it("computes anew what gc takes between the look and the use", async () => {
    const store = emptyStore();
    const { artifact } = await attempt(store, easy);
    vi.spyOn(store.artifacts, "use").mockImplementationOnce(async (digest) => {
      await rm(store.artifacts.directory(digest), { recursive: true });
      return false;
    });
    expect(await attempt(store, easy)).toEqual({ artifact, reused: false });
    expect(await events(store)).toEqual(["stage-started", "stage-finished", "stage-started", "stage-finished"]);
    expect(await store.artifacts.fault(artifact, { deep: true })).toBeUndefined();
  });

  it("computes anew what is damaged, sets it aside and tells the ledger why", async () => {
    const store = emptyStore();
    const { artifact } = await attempt(store, easy);
    await writeFile(join(store.artifacts.directory(artifact), "model"), "wei");
    expect(await attempt(store, easy)).toEqual({ artifact, reused: false });
    const told = { type: "stage-set-aside", key: stage.key };
    expect((await store.ledger.read("r"))[2]!.event).toMatchObject({ ...told, artifact, reason: expect.stringMatching(/model has 3 bytes, not 7$/) as string });
    expect(await readdir(join(store.home, "damaged"))).toHaveLength(1);
    await writeFile(store.results.path(stage.key), "{}");
    expect(await attempt(store, easy)).toEqual({ artifact, reused: false });
    expect((await store.ledger.read("r"))[5]!.event).toMatchObject({ ...told, reason: `${store.results.path(stage.key)} is not as it was written` });
    expect(await events(store)).toEqual([...Array(2).fill(["stage-started", "stage-finished", "stage-set-aside"]).flat(), "stage-started", "stage-finished"]);
  });

  it("continues from the newest whole checkpoint, telling which it passed over, and removes them in the end", async () => {
    const store = emptyStore();
    const { claim } = await store.claims.take(stage.key, { run: "r", stage: "s", attempt: 1 });
    for (const step of [5, 10]) await store.checkpoints.publish(claim, step, await filled(store, { state: `${step}` }));
    await writeFile(join(store.home, "checkpoints", stage.key, "10", "state"), "11");
    let from: number | undefined;
    await attempt(store, async (given, output) => {
      from = given.resume?.step;
      return easy(given, output);
    });
    expect(from).toBe(5);
    expect(await events(store)).toEqual(["checkpoint-skipped", "stage-started", "stage-finished"]);
    expect(await store.checkpoints.newest(stage.key)).toBeUndefined();
  });

  it("fails for good on an error that would repeat, and for another try on a fault of the disk", async () => {
    const store = emptyStore();
    const fail = async (error: Error) => attempt(store, async () => { throw error; }).catch((thrown: unknown) => thrown);
    const diverged = await fail(new TruelineError("TL_TRAIN_DIVERGED", "loss is NaN", { hint: "Lower the learning rate." }));
    expect(diverged).toBeInstanceOf(ApplicationFailure);
    expect(diverged).toMatchObject({ type: "TL_TRAIN_DIVERGED", nonRetryable: true, details: ["Lower the learning rate."] });
    expect(await fail(new TypeError("x is undefined"))).toMatchObject({ type: "TL_INTERNAL", nonRetryable: true });
    expect(await fail(Object.assign(new Error("no space left"), { code: "ENOSPC" }))).toMatchObject({ type: "TL_STORE_FULL", nonRetryable: false });
    expect(await events(store)).toEqual(["stage-failed", "stage-failed", "stage-failed"]);
  });

  it.each([
    ["a cancelled run ends", { cancelRequested: true }, "cancelled", CancelledFailure],
    ["a worker's shutdown leaves it to another attempt", { workerShutdown: true }, "worker-shutdown", ApplicationFailure],
    ["an attempt given up by the server", { timedOut: true }, "timed-out", ApplicationFailure],
  ])("saves a checkpoint when stopped: %s", async (_, details, cause, kind) => {
    const store = emptyStore();
    const environment = new MockActivityEnvironment();
    const thrown = attempt(store, long, environment).catch((error: unknown) => error);
    await vi.waitFor(async () => expect(await events(store)).toContain("stage-started"), 10_000);
    environment.cancel("CANCELLED", new ActivityCancellationDetails(details));
    expect(await thrown).toBeInstanceOf(kind);
    const last = (await store.ledger.read("r")).at(-1)?.event;
    expect(last).toMatchObject({ type: "stage-stopped", cause, checkpoint: 3 });
    expect(await store.checkpoints.newest(stage.key, { deep: true })).toMatchObject({ step: 3 });
  });

  it("says in the ledger that a pause stopped it, where one was asked for", async () => {
    const store = emptyStore();
    const environment = new MockActivityEnvironment();
    const thrown = attempt(store, long, environment).catch((error: unknown) => error);
    await vi.waitFor(async () => expect(await events(store)).toContain("stage-started"), 10_000);
    await store.ledger.append("r", { type: "pause-requested", actor: "me" });
    environment.cancel("CANCELLED", new ActivityCancellationDetails({ cancelRequested: true }));
    expect(await thrown).toBeInstanceOf(CancelledFailure);
    expect((await store.ledger.read("r")).at(-1)?.event).toMatchObject({ type: "stage-stopped", cause: "paused", checkpoint: 3 });
  });

  it("waits for another run that computes the same, then uses its result", async () => {
    const store = emptyStore();
    let finish: () => void = () => undefined;
    const first = attempt(store, async (given, output) => {
      await given.started();
      await new Promise<void>((resolve) => { finish = resolve; });
      return easy({ ...given, started: async () => undefined }, output);
    });
    await vi.waitFor(async () => expect(await events(store)).toContain("stage-started"), 10_000);
    const environment = new MockActivityEnvironment();
    const phases: string[] = [];
    environment.on("heartbeat", (details: unknown) => phases.push(progressSchema.parse(details).phase));
    const second = attempt(store, () => { throw new Error("twice"); }, environment, { ...task, run: "other" });
    await vi.waitFor(() => expect(phases.join()).toContain("waiting for run r"), 10_000);
    finish();
    expect(await second).toEqual({ ...(await first), reused: true });
    expect(await events(store, "other")).toEqual(["stage-reused"]);
  });

  it("beats every second while its work says nothing", async () => {
    const environment = new MockActivityEnvironment();
    let beats = 0;
    environment.on("heartbeat", () => { beats++; });
    await attempt(emptyStore(), async (given, output) => {
      await new Promise((resolve) => { setTimeout(resolve, 2600); });
      return easy(given, output);
    }, environment);
    expect(beats).toBeGreaterThanOrEqual(3);
  });
});

describe("the record of a run's end", () => {
  it("is not tried again where the store may not be written: its error ends the workflow, and people get to see it", async () => {
    const store = emptyStore();
    vi.spyOn(store.ledger, "extend").mockRejectedValue(Object.assign(new Error("read-only file system"), { code: "EROFS" }));
    await expect(createControls(store)["close-run"]({ run: "r", end: "finished", failures: [] })).rejects.toMatchObject({ type: "TL_STORE_DENIED", nonRetryable: true });
  });
});

describe("a backend that hangs", () => {
  it("is noticed, as a fault worth another try", async () => {
    const hung = { ...createReferenceBackend(), forward: () => new Promise<never>(() => undefined) };
    const backend = withDeadline(hung, 0.05);
    await expect(backend.forward("m", { batch: { sequences: [], targets: [] }, quantities: [] }))
      .rejects.toMatchObject({ code: "TL_STAGE_STALLED", entry: { retry: true } });
  });
});

describe("inputs", () => {
  it("that have changed since the plan was made are refused", async () => {
    const store = emptyStore();
    const path = join(await filled(store, { "a.txt": "one\ntwo\n" }), "a.txt");
    const entry = { name: "texts", format: "text" as const, path, digest: sha256("one\ntwo\n"), holdout: 0, maxBadShare: 0 };
    const given = (digest: string) => ({
      task: { ...task, stage: { ...stage, inputs: { data: { from: "data" as const, use: "text" as const, entries: [{ ...entry, digest }] } } } },
      store, scratch: dirname(path), pulse: { phase: () => undefined },
    });
    expect((await readData(given(entry.digest)))["data"]!.text.train.length).toBeGreaterThan(0);
    await expect(readData(given(keyOf("other")))).rejects.toMatchObject({ code: "TL_STAGE_INPUT_CHANGED", entry: { retry: false } });
  });
});

describe("a model directory", () => {
  it("that has changed since the plan was made is refused, by its path and input", async () => {
    const store = emptyStore();
    const path = await filled(store, { "config.json": "{}", "README.md": "a" });
    const { digest } = await digestModelDirectory(path);
    const given = { task: { ...task, stage: { ...stage, inputs: { policy: { from: "directory" as const, path, type: "language-model", digest } } } }, store, scratch: path };
    await writeFile(join(path, "README.md"), "b");
    expect(await readArtifacts(given)).toMatchObject({ policy: { directory: path } });
    await writeFile(join(path, "config.json"), "{ }");
    await expect(readArtifacts(given)).rejects.toMatchObject({ code: "TL_STAGE_INPUT_CHANGED", message: `${path}, the model of \`policy\`, has changed since the run was planned.` });
    await rm(path, { recursive: true });
    await expect(readArtifacts(given)).rejects.toMatchObject({ code: "TL_STAGE_INPUT_CHANGED", message: expect.stringContaining("is no longer there") as string });
  });
});

describe("a run's end", () => {
  it("is recorded once, also when the answer was lost and it is asked again", async () => {
    const store = emptyStore();
    for (const end of ["finished", "finished"]) await recordEnd(store, { run: "r", end, failures: [] });
    expect(await events(store)).toEqual(["run-finished"]);
  });

  it("is none while the ledger holds orders that the workflow does not know of", async () => {
    const store = emptyStore();
    await store.ledger.append("r", { type: "retry-requested", stage: "s", actor: "me" });
    expect(await recordEnd(store, { run: "r", end: "failed", failures: [], known: 0 })).toBe(false);
    expect(await events(store)).toEqual(["retry-requested"]);
    expect(await recordEnd(store, { run: "r", end: "failed", failures: [], known: 1 })).toBe(true);
    expect(await events(store)).toEqual(["retry-requested", "run-failed"]);
  });
});
