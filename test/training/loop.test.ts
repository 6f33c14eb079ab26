import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { plannedGuardsSchema } from "../../schemas/guards.js";
import type { Progress } from "../../schemas/progress.js";
import { GuardWatch, type Breach } from "../../training/guards.js";
import { runTrainer, type RunTrainerOptions } from "../../training/loop.js";
import type { Metrics, Trainer } from "../../training/trainer.js";
import { temporaryDirectory } from "./support.js";

/** A trainer whose loss is what the test says; its artifact is a list of the steps it did. */
function counting(steps: number, metrics: (index: number) => Metrics = (index) => ({ "loss/x": 1 / (index + 1), other: index })): Trainer & { readonly done: number[] } {
  const done: number[] = [];
  return {
    steps, done, headline: ["loss/x"],
    step: async (index) => { done.push(index); return metrics(index); },
    checkpoint: async (directory, count) => writeFile(join(directory, "state"), String(count)),
    finish: async (directory) => { await writeFile(join(directory, "model"), "m"); return { figures: { a: 1 } }; },
  };
}

async function places() {
  const root = await temporaryDirectory();
  const [workspace, output] = [join(root, "workspace"), join(root, "output")];
  await mkdir(workspace);
  await mkdir(output);
  const published: number[] = [];
  const progress: Progress[] = [];
  const options: RunTrainerOptions = {
    stage: "sft", workspace, output, cadence: { everySeconds: Infinity }, onProgress: (line) => progress.push(line),
    async openCheckpoint(steps) {
      const directory = join(root, `checkpoint-${steps}`);
      await mkdir(directory);
      return { directory, publish: async () => { published.push(steps); } };
    },
  };
  return { root, options, published, progress, metrics: async (directory: string) => readFile(join(directory, "metrics.jsonl"), "utf8") };
}

const lines = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => `${JSON.stringify({ step: from + at, "loss/x": 1 / (from + at), other: from + at - 1 })}\n`).join("");

describe("the training loop", () => {
  it("does every step once and leaves the artifact with its metrics", async () => {
    const { options, metrics } = await places();
    const trainer = counting(3);
    expect(await runTrainer(trainer, options)).toEqual({ figures: { a: 1 } });
    expect(trainer.done).toEqual([0, 1, 2]);
    expect(await metrics(options.output)).toBe(lines(1, 3));
    expect(await readFile(join(options.output, "model"), "utf8")).toBe("m");
  });

  it("saves a checkpoint every so many steps, with the metrics so far, and none after the last step", async () => {
    const { root, options, published, metrics } = await places();
    await runTrainer(counting(6), { ...options, cadence: { everySteps: 2, everySeconds: Infinity } });
    expect(published).toEqual([2, 4]);
    expect(await metrics(join(root, "checkpoint-4"))).toBe(lines(1, 4));
    expect(await readFile(join(root, "checkpoint-4", "state"), "utf8")).toBe("4");
  });

  it("ends at a rung with a checkpoint, and goes on from there to the same end", async () => {
    const { root, options, published, metrics } = await places();
    expect(await runTrainer(counting(6), { ...options, rung: 4 })).toEqual({ rung: 4 });
    expect(published).toEqual([4]);
    const resume = { directory: join(root, "checkpoint-4"), steps: 4 };
    const again = counting(6);
    expect(await runTrainer(again, { ...options, resume, rung: 4 }), "it is there already").toEqual({ rung: 4 });
    expect([again.done, published]).toEqual([[], [4]]);
    await runTrainer(again, { ...options, resume, rung: 9 });
    expect(again.done).toEqual([4, 5]);
    expect(await metrics(options.output)).toBe(lines(1, 6));
  });

  it("saves a checkpoint when the time since the last is up", async () => {
    const { options, published } = await places();
    let milliseconds = 0;
    const trainer = counting(10);
    const timed: Trainer = { ...trainer, step: (index) => { milliseconds += 4000; return trainer.step(index); } };
    await runTrainer(timed, { ...options, cadence: { everySeconds: 10 }, now: () => milliseconds });
    expect(published).toEqual([3, 6, 9]);
  });

  it("continues after the checkpoint's step, with its metrics cut to that step", async () => {
    const { root, options, metrics } = await places();
    const directory = join(root, "from");
    await mkdir(directory);
    await writeFile(join(directory, "metrics.jsonl"), lines(1, 5));
    await writeFile(join(options.workspace, "metrics.jsonl"), "left by a lost attempt\n");
    const trainer = counting(4);
    await runTrainer(trainer, { ...options, resume: { directory, steps: 2 } });
    expect(trainer.done).toEqual([2, 3]);
    expect(await metrics(options.output)).toBe(lines(1, 4));
  });

  it("refuses a checkpoint whose metrics are missing or too few", async () => {
    const { root, options } = await places();
    const directory = join(root, "from");
    await mkdir(directory);
    await expect(runTrainer(counting(4), { ...options, resume: { directory, steps: 2 } })).rejects.toMatchObject({ code: "TL_TRAIN_CHECKPOINT" });
    await writeFile(join(directory, "metrics.jsonl"), lines(1, 1));
    await expect(runTrainer(counting(4), { ...options, resume: { directory, steps: 2 } })).rejects.toMatchObject({ code: "TL_TRAIN_CHECKPOINT" });
  });

  it.each([["loss/policy", NaN], ["gradient_norm", Infinity], ["policy/gradient_norm", NaN]])("stops when %s is %d", async (name, value) => {
    const { options, published } = await places();
    const trainer = counting(5, (index) => ({ [name]: index === 2 ? value : 1 }));
    await expect(runTrainer(trainer, { ...options, cadence: { everySteps: 1, everySeconds: Infinity } })).rejects.toMatchObject({
      code: "TL_TRAIN_DIVERGED", message: `Stage sft diverged at step 3: ${name} is ${value}.`, hint: expect.stringContaining("learning rate"),
    });
    expect(published).toEqual([1, 2]);
  });

  describe("with guards", () => {
    const watching = (written: Readonly<Record<string, unknown>>, told: Breach[] = []): NonNullable<RunTrainerOptions["guards"]> => ({
      watch: new GuardWatch(plannedGuardsSchema.parse({ g: { over: 1, ...written } })), onBreach: async (breach) => { told.push(breach); },
    });
    const rollBack = { rollBack: { change: { learningRate: 1 }, every: 2 } };

    it("ends with a checkpoint of the step that breached one, and makes no artifact", async () => {
      const { root, options, published, metrics } = await places();
      const told: Breach[] = [];
      const trainer = counting(9);
      const end = await runTrainer(trainer, { ...options, guards: watching({ metric: "other", above: 2 }, told) });
      expect(end).toMatchObject({ guard: "g", step: 4, then: "stop" });
      expect(told).toEqual([end]);
      expect(trainer.done).toEqual([0, 1, 2, 3]);
      expect(published).toEqual([4]);
      expect(await metrics(join(root, "checkpoint-4"))).toBe(lines(1, 4));
      await expect(readFile(join(options.output, "model"))).rejects.toThrow();
    });

    it("goes on to the end when a breach is only noted", async () => {
      const { options } = await places();
      const told: Breach[] = [];
      expect(await runTrainer(counting(6), { ...options, guards: watching({ metric: "other", above: 2, then: "note" }, told) })).toEqual({ figures: { a: 1 } });
      expect(told.map(({ step }) => step)).toEqual([4]);
    });

    it("ends before its first step when the checkpoint's own metrics breach one", async () => {
      const { root, options, published } = await places();
      const directory = join(root, "from");
      await mkdir(directory);
      await writeFile(join(directory, "metrics.jsonl"), lines(1, 5));
      const trainer = counting(9);
      const end = await runTrainer(trainer, { ...options, resume: { directory, steps: 5 }, guards: watching({ metric: "other", above: 2, then: "ask" }) });
      expect(end).toMatchObject({ step: 4, then: "ask" });
      expect([trainer.done, published]).toEqual([[], []]);
    });

    it("breaches at the step at which it would have without a stop in between", async () => {
      const { root, options } = await places();
      const directory = join(root, "from");
      await mkdir(directory);
      await writeFile(join(directory, "metrics.jsonl"), lines(1, 3));
      const guard = { metric: "other", above: 3, over: 4 };
      const whole = await runTrainer(counting(9), { ...(await places()).options, guards: watching(guard) });
      expect(await runTrainer(counting(9), { ...options, resume: { directory, steps: 3 }, guards: watching(guard) })).toEqual(whole);
      expect(whole).toMatchObject({ step: 6 });
    });

    it("saves the anchors of a rollback whatever the cadence, says which to keep, and leaves without a checkpoint", async () => {
      const { options, published } = await places();
      const kept: (readonly number[])[] = [];
      const end = await runTrainer(counting(9), {
        ...options, guards: watching({ metric: "other", above: 5, over: 3, then: rollBack }),
        openCheckpoint: async (steps, keep) => { kept.push(keep); return options.openCheckpoint(steps, keep); },
      });
      expect(end).toMatchObject({ step: 8, then: "roll-back", to: 4 });
      expect(published).toEqual([2, 4, 6]);
      expect(kept).toEqual([[2], [2, 4], [4, 6]]);
    });

    it("gives a loss that is no number to the guard that rolls back, and to no checkpoint", async () => {
      const { options, published, metrics } = await places();
      const trainer = counting(9, (index) => ({ "loss/x": index === 4 ? NaN : 1, gradient_norm: 1 }));
      const end = await runTrainer(trainer, { ...options, cadence: { everySteps: 1, everySeconds: Infinity }, guards: watching({ nan: true, then: rollBack }) });
      expect(end).toMatchObject({ step: 5, metric: "loss/x", then: "roll-back", to: 4 });
      expect(published).toEqual([1, 2, 3, 4]);
      expect((await metrics(options.workspace)).split("\n").at(-2)).toBe("{\"step\":5,\"gradient_norm\":1}");
    });

    it("still fails by a loss that is no number where its guard only stops, and tells", async () => {
      const { options } = await places();
      const told: Breach[] = [];
      await expect(runTrainer(counting(3, () => ({ "loss/x": NaN })), { ...options, guards: watching({ nan: true }, told) })).rejects.toMatchObject({ code: "TL_TRAIN_DIVERGED" });
      expect(told).toMatchObject([{ guard: "g", step: 1, then: "stop" }]);
    });
  });

  it("takes along what else lies in its workspace", async () => {
    const { root, options } = await places();
    await writeFile(join(options.workspace, "more.json"), "1");
    await runTrainer(counting(3), { ...options, cadence: { everySteps: 2, everySeconds: Infinity } });
    for (const directory of [join(root, "checkpoint-2"), options.output]) expect(await readFile(join(directory, "more.json"), "utf8")).toBe("1");
  });

  it("leaves out figures that do not exist at a step, such as a share of nothing", async () => {
    const { options, metrics } = await places();
    await runTrainer(counting(1, () => ({ "loss/x": 1, "policy/share": NaN })), options);
    expect(await metrics(options.output)).toBe("{\"step\":1,\"loss/x\":1}\n");
  });

  it("saves its state and says so when it is cancelled", async () => {
    const { options, published } = await places();
    const stop = new AbortController();
    const trainer = counting(5, (index) => { if (index === 1) stop.abort(); return { "loss/x": 1 }; });
    await expect(runTrainer(trainer, { ...options, signal: stop.signal })).rejects.toMatchObject({
      code: "TL_TRAIN_CANCELLED", message: "Stage sft was stopped after step 2 of 5.",
    });
    expect(trainer.done).toEqual([0, 1]);
    expect(published).toEqual([2]);
  });

  it("saves the state after the step before when a step gives way, having changed nothing", async () => {
    const { root, options, published, metrics } = await places();
    const stop = new AbortController();
    const trainer = { ...counting(5), step: async (index: number) => {
      if (index === 2) stop.abort();
      stop.signal.throwIfAborted();
      return { "loss/x": 1 / (index + 1), other: index };
    } };
    await expect(runTrainer(trainer, { ...options, signal: stop.signal })).rejects.toMatchObject({ code: "TL_TRAIN_CANCELLED" });
    expect(published).toEqual([2]);
    expect(await metrics(join(root, "checkpoint-2"))).toBe(lines(1, 2));
    const failing = { ...trainer, step: async () => { throw new TypeError("broken"); } };
    await expect(runTrainer(failing, (await places()).options)).rejects.toThrow("broken");
  });

  it("leaves out figures that are no finite numbers", async () => {
    const trainer: Trainer = { ...counting(1), finish: async () => ({ figures: { a: 1, b: Infinity, c: NaN } }) };
    expect(await runTrainer(trainer, (await places()).options)).toMatchObject({ figures: { a: 1 } });
    expect(await runTrainer(trainer, (await places()).options)).not.toHaveProperty("figures.b");
  });

  it("saves nothing when it is cancelled before it did anything", async () => {
    const { options, published } = await places();
    await expect(runTrainer(counting(5), { ...options, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "TL_TRAIN_CANCELLED" });
    expect(published).toEqual([]);
  });

  it("says where it is, with the newest checkpoint, the headline metrics, and the time left", async () => {
    const { options, progress } = await places();
    let milliseconds = 0;
    const trainer = counting(4);
    const timed: Trainer = { ...trainer, step: (index) => { milliseconds += 2000; return trainer.step(index); } };
    await runTrainer(timed, { ...options, now: () => milliseconds, cadence: { everySteps: 2, everySeconds: Infinity } });
    expect(progress[0]).toEqual({ stage: "sft", phase: "training", step: 0, of: 4, metrics: {} });
    expect(progress).toContainEqual({ stage: "sft", phase: "training", step: 3, of: 4, checkpoint: 2, metrics: { "loss/x": 1 / 3 }, secondsLeft: 2 });
    expect(progress.at(-1)).toMatchObject({ phase: "finishing", step: 4, secondsLeft: 0 });
  });
});
