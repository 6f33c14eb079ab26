import { Context } from "@temporalio/activity";
import { MockActivityEnvironment } from "@temporalio/testing";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { attemptStage } from "../../activities/stage.js";
import { trainStage } from "../../activities/train.js";
import type { Backend } from "../../backends/backend.js";
import { createReferenceBackend } from "../../backends/reference/index.js";
import { sha256 } from "../../foundation/canonical.js";
import { TruelineError } from "../../foundation/errors.js";
import { digestModelDirectory } from "../../models/directory-digest.js";
import type { LedgerEvent } from "../../schemas/events.js";
import type { PlannedStage } from "../../schemas/plan.js";
import { stageKinds } from "../../schemas/stages/table.js";
import type { StageEnd } from "../../schemas/task.js";
import type { Store } from "../../store/store.js";
import { emptyStore, filled, plannedStage } from "../store/home.js";
import { tinyModel } from "../training/support.js";
import { outcome } from "./outcome.js";

type Written = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** A pretraining stage of twelve steps whose learning rate rises over the first six to 0.1, so that it is known when a guard of it breaches. */
async function stageWith(guards: Written, members: Readonly<Record<string, unknown>> = {}): Promise<PlannedStage> {
  const { directory } = await tinyModel(1);
  const text = "one two three four\nfive six seven eight\nnine ten\n";
  const path = join(await filled(emptyStore(), { "a.txt": text }), "a.txt");
  const entry = { name: "texts", format: "text" as const, path, digest: sha256(text), holdout: 0, maxBadShare: 0 };
  return {
    ...plannedStage("base"), parameters: {
      ...JSON.parse(JSON.stringify(stageKinds.pretrain.parameters.parse({
        kind: "pretrain", model: "tiny", data: "texts", steps: 12, batch: 1, length: 12, learningRate: 0.1, schedule: "constant", warmup: 0.5, guards, ...members,
      }))) as PlannedStage["parameters"],
    },
    inputs: {
      model: { from: "directory", path: directory, type: "language-model", digest: (await digestModelDirectory(directory)).digest },
      data: { from: "data", use: "text", entries: [entry] },
    },
  };
}

const rate = (members: Readonly<Record<string, unknown>>): Written => ({ rate: { metric: "learning_rate", above: 0.05, over: 2, ...members } });
const rollBack = (...change: readonly Readonly<Record<string, unknown>>[]) => ({ rollBack: { every: 2, change } });

interface Attempting {
  readonly waived?: readonly string[];
  readonly backend?: () => Backend;
}

async function attempt(store: Store, stage: PlannedStage, { waived, backend = createReferenceBackend }: Attempting = {}): Promise<StageEnd> {
  const work = trainStage(async () => backend(), 3600);
  return new MockActivityEnvironment().run(() => attemptStage(store, Context.current(), { run: "r", stage, artifacts: {}, waived }, "language-model", work));
}

async function events<Type extends LedgerEvent["type"]>(store: Store, type: Type): Promise<Extract<LedgerEvent, { type: Type }>[]> {
  return (await store.ledger.read("r")).map(({ event }) => event).filter((event): event is Extract<LedgerEvent, { type: Type }> => event.type === type);
}

async function linesOf(store: Store, artifact: string, name: string): Promise<Record<string, number>[]> {
  const text = await readFile(join(store.artifacts.directory(artifact), name), "utf8");
  return text.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, number>);
}

describe("a guard that stops", () => {
  it("fails the stage for good, with its state saved and what to do; as it is, the stage stops again at once", async () => {
    const store = emptyStore();
    const stage = await stageWith(rate({}));
    for (const resumedFrom of [undefined, 4]) {
      await expect(attempt(store, stage)).rejects.toMatchObject({
        type: "TL_GUARD_BREACHED", nonRetryable: true, details: [expect.stringContaining("change or remove the guard")],
        message: "Stage base was stopped by its guard rate: learning_rate is 0.05833 after step 4, above 0.05 over 2 steps.",
      });
      expect((await events(store, "stage-started")).at(-1)?.resumedFrom).toBe(resumedFrom);
    }
    expect(await events(store, "checkpoint-saved")).toMatchObject([{ step: 4 }]);
    expect(await events(store, "guard-breached")).toMatchObject([{ guard: "rate", step: 4, metric: "learning_rate", bound: "above 0.05 over 2 steps", then: "stop" }]);
  });

  it("lets the stage go on from there once the spec's guard is another, to the bytes it would have had without", async () => {
    const store = emptyStore();
    const stage = await stageWith(rate({}));
    await expect(attempt(store, stage)).rejects.toMatchObject({ type: "TL_GUARD_BREACHED" });
    const freed = { ...stage, parameters: { ...stage.parameters, guards: {} } };
    const { artifact } = outcome(await attempt(store, freed));
    expect((await events(store, "stage-started")).at(-1)?.resumedFrom).toBe(4);
    expect(artifact).toBe(outcome(await attempt(emptyStore(), freed)).artifact);
  });

  it("stops a result that another spec made without it from being reused", async () => {
    const store = emptyStore();
    const stage = await stageWith(rate({}));
    outcome(await attempt(store, { ...stage, parameters: { ...stage.parameters, guards: {} } }));
    await expect(attempt(store, stage)).rejects.toMatchObject({ type: "TL_GUARD_BREACHED" });
    expect(await events(store, "stage-failed")).toHaveLength(1);
    const asking = await stageWith(rate({ then: "ask" }));
    expect(await attempt(store, { ...asking, inputs: stage.inputs })).toMatchObject({ gate: "guard:base:rate:4" });
  });
});

describe("a guard that notes", () => {
  it("tells the ledger once a breach, resumed or not, and changes nothing", async () => {
    const store = emptyStore();
    const stage = await stageWith(rate({ then: "note" }), { checkpoint: { everySteps: 1 } });
    const failing = failingAfter(7);
    await expect(attempt(store, stage, { backend: failing })).rejects.toMatchObject({ type: "TL_BACKEND_LOST" });
    const { artifact } = outcome(await attempt(store, stage, { backend: failing }));
    expect((await events(store, "stage-started")).at(-1)?.resumedFrom).toBe(7);
    expect(await events(store, "guard-breached")).toMatchObject([{ step: 4, then: "note" }]);
    expect(artifact).toBe(outcome(await attempt(emptyStore(), { ...stage, parameters: { ...stage.parameters, guards: {} } })).artifact);
  });
});

describe("a guard that asks", () => {
  it("gives its question with the state saved, and goes on from there once it is waived, until it breaches anew", async () => {
    const store = emptyStore();
    const stage = await stageWith({ rate: { metric: "learning_rate", below: 0.02, over: 1, then: "ask" }, late: { metric: "learning_rate", above: 0.09, over: 1, then: "ask" } });
    expect(await attempt(store, stage)).toEqual({
      gate: "guard:base:rate:1", question: "Guard rate of stage base: learning_rate is 0.01667 after step 1, below 0.02. Shall it go on?",
    });
    expect(await attempt(store, stage)).toMatchObject({ gate: "guard:base:rate:1" });
    expect(await attempt(store, stage, { waived: ["guard:base:rate:1"] })).toMatchObject({ gate: "guard:base:late:6" });
    const { artifact } = outcome(await attempt(store, stage, { waived: ["guard:base:rate:1", "guard:base:late:6"] }));
    expect((await events(store, "stage-started")).map(({ resumedFrom }) => resumedFrom)).toEqual([undefined, 1, 1, 6]);
    expect(await events(store, "guard-breached")).toMatchObject([{ guard: "rate", step: 1, then: "ask" }, { guard: "late", step: 6, then: "ask" }]);
    expect(artifact).toBe(outcome(await attempt(emptyStore(), { ...stage, parameters: { ...stage.parameters, guards: {} } })).artifact);
  });
});

/** Backends of which the first dies after `steps` training steps, as a killed process does. */
function failingAfter(steps: number): () => Backend {
  let left = steps;
  return () => {
    const backend = createReferenceBackend();
    return {
      ...backend, step: (...given) => {
        if (left-- === 0) throw new TruelineError("TL_BACKEND_LOST", "killed");
        return backend.step(...given);
      },
    };
  };
}

describe("a guard that rolls back", () => {
  it("goes on from the last good checkpoint with the change, and hides nothing", async () => {
    const store = emptyStore();
    const stage = await stageWith(rate({ then: rollBack({ learningRate: 0.08 }, { learningRate: 0.02, weightDecay: 0.1 }) }));
    const { artifact } = outcome(await attempt(store, stage));
    expect(await events(store, "guard-breached")).toMatchObject([{ step: 4, then: "roll-back" }, { step: 5, then: "roll-back" }]);
    expect(await events(store, "stage-rolled-back")).toMatchObject([
      { guard: "rate", from: 4, to: 2, change: { learningRate: 0.08 } }, { guard: "rate", from: 5, to: 2, change: { learningRate: 0.02, weightDecay: 0.1 } },
    ]);
    const rates = (await linesOf(store, artifact, "metrics.jsonl")).map((line) => Number(line["learning_rate"]!.toFixed(4)));
    expect(rates).toEqual([0.0167, 0.0333, 0.01, 0.0133, 0.0167, ...Array.from({ length: 7 }, () => 0.02)]);
    const discarded = await linesOf(store, artifact, "discarded-metrics.jsonl");
    expect(discarded.map(({ step, rollback, learning_rate: now }) => [rollback, step, Number(now!.toFixed(3))])).toEqual([[1, 3, 0.05], [1, 4, 0.067], [2, 3, 0.04], [2, 4, 0.053], [2, 5, 0.067]]);
    expect((await store.artifacts.read(artifact)).metadata.overrides).toEqual({ learningRate: 0.02, weightDecay: 0.1 });
    expect(await events(store, "stage-started")).toHaveLength(1);
  });

  it("stops the stage when it breaches after its last change", async () => {
    const store = emptyStore();
    const stage = await stageWith(rate({ then: rollBack({ learningRate: 0.08 }) }));
    for (const resumedFrom of [undefined, 5]) {
      await expect(attempt(store, stage)).rejects.toMatchObject({ type: "TL_GUARD_BREACHED" });
      expect((await events(store, "stage-started")).at(-1)).toMatchObject({ ...(resumedFrom && { resumedFrom, overrides: { learningRate: 0.08 } }) });
    }
    expect(await events(store, "guard-breached")).toMatchObject([{ step: 4, then: "roll-back" }, { step: 5, then: "stop" }]);
  });

  it("starts anew where nothing was saved before the breach", async () => {
    const store = emptyStore();
    const stage = await stageWith({ rate: { metric: "learning_rate", above: 0.01, over: 1, then: rollBack({ learningRate: 0.005 }) } });
    const { artifact } = outcome(await attempt(store, stage));
    expect(await events(store, "stage-rolled-back")).toMatchObject([{ from: 1, to: 0 }]);
    const alone = await stageWith({}, { learningRate: 0.005 });
    const other = emptyStore();
    const plain = outcome(await attempt(other, { ...alone, inputs: stage.inputs })).artifact;
    const weights = async (from: Store, digest: string) => sha256(await readFile(join(from.artifacts.directory(digest), "model.safetensors")));
    expect(await weights(store, artifact)).toBe(await weights(other, plain));
  });

  // Steps 1 to 4, then 3 to 5 with the first change, then 3 to 12 with the second: 17 in all.
  it.each([
    [1, [3, 6]], [3, [9]], [100, [5, 14]],
  ])("ends with the bytes of an uninterrupted stage, wherever it is killed, checkpoints every %i steps", async (everySteps, kills) => {
    const stage = await stageWith(rate({ then: rollBack({ learningRate: 0.08 }, { learningRate: 0.02 }) }), { checkpoint: { everySteps, everySeconds: 1e6 } });
    const whole = outcome(await attempt(emptyStore(), stage)).artifact;
    for (const steps of kills) {
      const store = emptyStore();
      const backend = failingAfter(steps);
      await expect(attempt(store, stage, { backend }), `${steps}`).rejects.toMatchObject({ type: "TL_BACKEND_LOST" });
      expect(outcome(await attempt(store, stage, { backend })).artifact, `killed after ${steps}`).toBe(whole);
      expect((await events(store, "guard-breached")).length).toBe(2);
    }
  });

  it.each(["before", "between", "after"] as const)("ends with the same bytes when it is killed %s its going back is on the disk", async (moment) => {
    const stage = await stageWith(rate({ then: rollBack({ learningRate: 0.02 }) }), { checkpoint: { everySteps: 1 } });
    const whole = outcome(await attempt(emptyStore(), stage)).artifact;
    const store = emptyStore();
    const folder = store.checkpoints.folder(stage.key);
    const publish = store.checkpoints.publish.bind(store.checkpoints);
    let killed = false;
    store.checkpoints.publish = async (claim, step, directory, placing) => {
      if (killed || !placing?.course) return publish(claim, step, directory, placing);
      killed = true;
      if (moment !== "before") {
        const aside = join(store.home, "aside");
        await cp(folder, aside, { recursive: true });
        await publish(claim, step, directory, placing);
        // What the publication removes is still there when the kill comes right after its rename.
        if (moment === "between") await cp(aside, folder, { recursive: true });
      }
      throw new TruelineError("TL_BACKEND_LOST", "killed");
    };
    await expect(attempt(store, stage)).rejects.toMatchObject({ type: "TL_BACKEND_LOST" });
    expect(outcome(await attempt(store, stage)).artifact).toBe(whole);
    expect((await events(store, "stage-started")).at(-1)?.resumedFrom).toBe(moment === "before" ? 3 : 2);
  });

  it("comes by the checkpoint again when the one it wants to go back to is damaged, with the same bytes", async () => {
    const stage = await stageWith(rate({ then: rollBack({ learningRate: 0.02 }) }));
    const whole = outcome(await attempt(emptyStore(), stage)).artifact;
    const store = emptyStore();
    let damaged = false;
    const { artifact } = outcome(await attempt(store, stage, {
      backend: () => {
        const backend = createReferenceBackend();
        let done = 0;
        return {
          ...backend, step: async (...given) => {
            done += 1;
            if (done === 4 && !damaged) {
              damaged = true;
              await writeFile(join(store.checkpoints.folder(stage.key), "2", "metrics.jsonl"), "x");
            }
            return backend.step(...given);
          },
        };
      },
    }));
    expect(await events(store, "checkpoint-skipped")).toMatchObject([{ step: 2 }]);
    expect(artifact).toBe(whole);
  });
});
