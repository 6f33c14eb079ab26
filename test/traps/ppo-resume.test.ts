import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PlannedStage } from "../../schemas/plan.js";
import type { Store } from "../../store/store.js";
import { artifactOf, attemptAt, Bench, Calls } from "./computing.js";

/** One PPO stage twice: in one go, and with its backend killed after step 2 (the end of an epoch) and after step 3 (in the middle of one). */
describe("PPO whose backend is killed and that another attempt continues", () => {
  let bench: Bench;
  let stage: PlannedStage;
  let whole: Store;
  let killed: Store;
  const wholeCalls = new Calls();
  const attempts = [new Calls(), new Calls(), new Calls()];

  beforeAll(async () => {
    bench = await Bench.create();
    stage = await bench.ppo();
    [whole, killed] = [bench.emptyStore(), bench.emptyStore()];
    await attemptAt(whole, stage, { calls: wholeCalls });
    for (const [index, calls] of attempts.entries()) {
      const attempt = attemptAt(killed, stage, {
        calls, attempt: index + 1, ...(index < 2 && { kill: { after: index + 2, signal: "SIGKILL" } }),
      });
      if (index < 2) await expect(attempt).rejects.toMatchObject({ type: "TL_BACKEND_LOST", nonRetryable: false });
      else await attempt;
    }
  });
  afterAll(() => bench.remove());

  it("goes on with the step after its checkpoint and ends with the bytes of one that was never interrupted [trl#2657]", async () => {
    const events = (await killed.ledger.read("r")).map(({ event }) => event);
    expect(events.flatMap((event) => event.type === "stage-started" ? [event.resumedFrom] : [])).toEqual([undefined, 2, 3]);
    expect((await artifactOf(killed, stage)).digest).toBe((await artifactOf(whole, stage)).digest);
  });

  it("continues both optimizers, of policy and critic, with their moments and counts [trl#1643, NeMo-RL PR#3171]", () => {
    const optimizers = (all: readonly Calls[]) => all.flatMap(({ checkpointed }) => checkpointed.map(({ model, files }) => [model, files["optimizer.safetensors"]]));
    expect(optimizers(attempts)).toEqual(optimizers([wholeCalls]));
    expect(new Set(optimizers(attempts).flat()).size, "they change at every step").toBe(2 + 2 * 5);
    const resumed = attempts[2]!.loads.filter(({ trainable }) => trainable).map(({ model, optimizer }) => [model, optimizer]);
    expect(resumed).toEqual([["policy", true], ["critic", true]]);
  });

  it("keeps the critic in its checkpoints, beside the policy [miles PR#2224]", () => {
    const critics = (all: readonly Calls[]) => all.flatMap(({ checkpointed }) => checkpointed.filter(({ model }) => model === "critic").map(({ files }) => files["model.safetensors"]));
    expect(critics(attempts)).toEqual(critics([wholeCalls]));
    expect(new Set(critics(attempts)).size, "it learns at every step").toBe(5);
  });

  it("continues the adaptive KL coefficient and the running reward statistics, not the values they started from [verl#2653]", async () => {
    const curves = async (store: Store) => (await artifactOf(store, stage)).metrics.map((line) => [line["objective/kl_coefficient"], line["objective/reward"]]);
    expect(await curves(killed)).toEqual(await curves(whole));
    expect(new Set((await curves(killed)).map(([coefficient]) => coefficient)).size, "it changes at every step").toBe(6);
  });

  it("draws the prompts that were next, in the middle of an epoch too [OpenRLHF#1103]", () => {
    const [first, second, third] = attempts.map(({ prompts }) => prompts);
    expect(first).toEqual(wholeCalls.prompts.slice(0, 3));
    expect(second).toEqual(wholeCalls.prompts.slice(2, 4));
    expect(third).toEqual(wholeCalls.prompts.slice(3));
    expect(new Set(wholeCalls.prompts).size, "every round has prompts of its own").toBe(6);
  });

  it("trains on from a checkpoint at the end of an epoch, instead of ending with what it has [verl#7401]", async () => {
    const afterEpoch = wholeCalls.prompts.slice(0, 2).join(" | ").split(" | ");
    expect(new Set(afterEpoch).size, "two rounds are one epoch of ten prompts").toBe(10);
    expect(attempts[1]!.updates.length).toBeGreaterThan(0);
    expect((await artifactOf(killed, stage)).metrics.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

describe("fine-tuning stopped at the end of an epoch", () => {
  it("does the epochs that are left [verl#7401]", async () => {
    const bench = await Bench.forTest();
    const store = bench.emptyStore();
    const stage = bench.stage("sft", { model: "policy", data: "sample", batch: 3, epochs: 2, checkpoint: { everySteps: 2 } }, {
      model: await bench.model("policy", "language-model"), data: await bench.data("dialogues.jsonl", "dialogue", "dialogues"),
    });
    await expect(attemptAt(store, stage, { kill: { after: 2, signal: "SIGKILL" } })).rejects.toMatchObject({ type: "TL_BACKEND_LOST" });
    const calls = new Calls();
    await attemptAt(store, stage, { attempt: 2, calls });
    expect(calls.updates).toHaveLength(2);
    expect((await artifactOf(store, stage)).metrics.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  });
});

describe("what lies about when a stage resumes", () => {
  it("data that changed is refused with the file named, and no row is skipped: restored, it goes on; under a new plan it starts anew [NeMo-RL PR#2519]", async () => {
    const bench = await Bench.forTest();
    const store = bench.emptyStore();
    const stage = await bench.ppo({ steps: 3 });
    const before = await readFile(join(bench.directory, "prompts.jsonl"), "utf8");
    await expect(attemptAt(store, stage, { kill: { after: 1, signal: "SIGKILL" } })).rejects.toMatchObject({ type: "TL_BACKEND_LOST" });

    await bench.write("prompts.jsonl", "zyxwvutsrq".split("").map((prompt) => ({ prompt })));
    await expect(attemptAt(store, stage, { attempt: 2 })).rejects.toMatchObject({
      type: "TL_STAGE_INPUT_CHANGED", nonRetryable: true, message: expect.stringContaining(join(bench.directory, "prompts.jsonl")) as string,
    });

    const edited = await bench.ppo({ steps: 3 });
    expect(edited.key).not.toBe(stage.key);
    const anew = new Calls();
    await attemptAt(store, edited, { run: "edited", calls: anew });
    expect(anew.prompts).toHaveLength(3);

    await bench.write("prompts.jsonl", before.trimEnd().split("\n").map((line) => JSON.parse(line) as unknown));
    const rest = new Calls();
    await attemptAt(store, stage, { attempt: 3, calls: rest });
    expect(rest.prompts).toHaveLength(2);
  });

  it("directories that are no checkpoints, such as one that a converter left, are passed over [NeMo-RL#1107]", async () => {
    const bench = await Bench.forTest();
    const store = bench.emptyStore();
    const stage = await bench.ppo({ steps: 3 });
    await expect(attemptAt(store, stage, { kill: { after: 1, signal: "SIGKILL" } })).rejects.toMatchObject({ type: "TL_BACKEND_LOST" });
    for (const stray of ["1-hf", "step_2", "9", ".cache"]) await mkdir(join(store.home, "checkpoints", stage.key, stray));
    await attemptAt(store, stage, { attempt: 2 });
    const events = (await store.ledger.read("r")).map(({ event }) => event);
    expect(events.flatMap((event) => event.type === "stage-started" ? [event.resumedFrom] : [])).toEqual([undefined, 1]);
    expect(events).toContainEqual(expect.objectContaining({ type: "checkpoint-skipped", step: 9 }));
  });
});
