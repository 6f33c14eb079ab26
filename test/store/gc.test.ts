import { randomInt } from "node:crypto";
import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { randomAt, type Random } from "../../foundation/random.js";
import type { PlannedStage } from "../../schemas/plan.js";
import { collect, survey } from "../../store/gc.js";
import type { Policy } from "../../store/needs.js";
import { summarize } from "../../store/state.js";
import type { Store } from "../../store/store.js";
import { verifyStore } from "../../store/verify.js";
import { emptyStore, filled, keyOf, plannedStage } from "./home.js";
import { checkpointed, computed, ended, reused, soundPlan, started, submitted } from "./life.js";

const day = 24 * 3600_000;
/** When `gc` runs: long after what the tests wrote. */
const later = () => Date.now() + 100 * day;
const policy: Policy = { keep: 1, olderThanSeconds: 30 * 24 * 3600 };
const order = { actor: "ada@host", reason: "gc --keep 1" };

/** A stage whose result depends on its variant. */
const variant = (name: string, which: number, after: readonly string[] = []): PlannedStage => ({ ...plannedStage(name, after), key: keyOf(`${name} ${which}`) });

/** A finished run of one stage; gives the artifact. */
async function run(store: Store, id: string, stage: PlannedStage, text = id): Promise<string> {
  await submitted(store, id, soundPlan("p", stage));
  const artifact = await store.results.find(stage.key) === undefined ? await computed(store, id, stage, { "model.bin": text }) : await reused(store, id, stage);
  await ended(store, id, "run-finished");
  return artifact;
}

async function collected(store: Store, at = later, by: Policy = policy): Promise<string[]> {
  return (await collect(store, by, await survey(store, by, at()), order, at)).map(({ what, digest, path }) => `${what} ${digest ?? path}`);
}

describe("gc", () => {
  it("plans the removal of what only old runs need, and removes nothing by planning", async () => {
    const store = emptyStore();
    const [old, kept] = [await run(store, "one", variant("a", 1)), await run(store, "two", variant("a", 2))];
    const { removals, remaining } = await survey(store, policy, later());
    expect(removals.filter(({ what }) => what === "artifact")).toMatchObject([{ digest: old, stages: ["one/a"] }]);
    expect(remaining).toMatchObject([{ digest: kept, why: "two is the newest of p" }]);
    expect(await readdir(join(store.home, "artifacts"))).toHaveLength(2);
  });

  it("needs both the number and the age to allow it, and an hour's rest", async () => {
    const store = emptyStore();
    for (const which of [1, 2]) await run(store, `r${which}`, variant("a", which));
    expect(await collected(store, later, { keep: 2, olderThanSeconds: 0 })).not.toContainEqual(expect.stringContaining("artifact"));
    expect(await collected(store, later, { keep: 0, olderThanSeconds: 101 * 24 * 3600 })).not.toContainEqual(expect.stringContaining("artifact"));
    expect(await collected(store, Date.now, { keep: 0, olderThanSeconds: 0 })).toEqual([]);
    expect((await collected(store, later, { keep: 0, olderThanSeconds: 0 })).filter((each) => each.startsWith("artifact"))).toHaveLength(2);
  });

  it("tells every run that made or used it, and state, verify and resume know", async () => {
    const store = emptyStore();
    const [shared, other] = [variant("a", 1), variant("a", 2)];
    const artifact = await run(store, "one", shared);
    await run(store, "two", shared);
    await run(store, "three", other);
    expect(await collected(store)).toContain(`artifact ${artifact}`);
    for (const id of ["one", "two"]) {
      const entries = await store.ledger.read(id);
      expect(entries.at(-1)?.event).toMatchObject({ type: "artifact-removed", stage: "a", artifact, actor: "ada@host", reason: "gc --keep 1" });
      const { state, stages: [stage] } = summarize(await store.runs.plan(id), entries);
      expect([state, stage]).toMatchObject(["finished", { artifact, removed: { actor: "ada@host" } }]);
    }
    expect(await store.results.read(shared.key)).toBeUndefined();
    expect((await verifyStore(store)).faults).toEqual([]);
    expect(await readdir(join(store.home, "scratch"))).toEqual([]);
    await computed(store, "one", shared, { "model.bin": "one" });
    expect(summarize(await store.runs.plan("one"), await store.ledger.read("one")).stages[0]).toMatchObject({ state: "finished", removed: undefined });
    expect((await verifyStore(store)).faults).toEqual([]);
    expect(await collected(store)).toContain(`artifact ${artifact}`);
    const told = async (id: string) => (await store.ledger.read(id)).filter(({ event }) => event.type === "artifact-removed").length;
    expect([await told("one"), await told("two")], "a run that has been told and has not made it since is not told again").toEqual([2, 1]);
  });

  it.each([
    ["can still go on", async (store: Store) => { await submitted(store, "open", soundPlan("p", variant("a", 1), variant("b", 1))); }],
    ["was cancelled, and may be resumed", async (store: Store) => {
      await submitted(store, "open", soundPlan("p", variant("a", 1), variant("b", 1)));
      await ended(store, "open", "run-cancelled");
    }],
    ["reads it as a model directory", async (store: Store) => {
      const path = store.artifacts.directory((await store.results.read(keyOf("a 1")))!.artifact);
      const input = { from: "directory" as const, path, type: "language-model", digest: keyOf("d") };
      await submitted(store, "open", soundPlan("q", { ...variant("c", 1), inputs: { model: input } }));
    }],
    ["is pinned", async (store: Store) => store.ledger.append("old", { type: "pinned", actor: "ada" })],
    ["has the stage pinned", async (store: Store) => store.ledger.append("old", { type: "pinned", stage: "a", actor: "ada" })],
  ])("leaves what a run needs that %s", async (_, need) => {
    const store = emptyStore();
    const artifact = await run(store, "old", variant("a", 1));
    await need(store);
    await run(store, "new", variant("a", 2));
    expect(await collected(store)).not.toContain(`artifact ${artifact}`);
  });

  it("lets a pinned stage go once its pin is taken away", async () => {
    const store = emptyStore();
    const artifact = await run(store, "old", variant("a", 1));
    await run(store, "new", variant("a", 2));
    for (const type of ["pinned", "unpinned"] as const) await store.ledger.append("old", { type, stage: "a", actor: "ada" });
    expect(await collected(store)).toContain(`artifact ${artifact}`);
  });

  it("leaves what began to be used between the plan and the removal", async () => {
    const store = emptyStore();
    const [stage, other] = [variant("a", 1), variant("a", 3)];
    const [taken, touched, pinned] = [await run(store, "old", stage), await run(store, "older", other), await run(store, "oldest", variant("a", 4))];
    await run(store, "new", variant("a", 2));
    const found = await survey(store, policy, later());
    expect(found.removals.map(({ digest }) => digest)).toEqual(expect.arrayContaining([taken, touched, pinned]));
    await submitted(store, "late", soundPlan("p", stage));
    await store.ledger.append("oldest", { type: "pinned", actor: "ada" });
    const soon = new Date(later());
    await store.artifacts.use(touched);
    await utimes(store.artifacts.directory(touched), soon, soon);
    expect((await collect(store, policy, found, order, later)).filter(({ what }) => what === "artifact")).toEqual([]);
    expect(await store.results.use(stage.key)).toMatchObject({ artifact: taken });
  });

  it("reads a ledger again only where it has grown since", async () => {
    const store = emptyStore();
    for (const which of [1, 2, 3, 4, 5]) await run(store, `r${which}`, variant("a", which));
    const read = vi.spyOn(store.ledger, "read");
    const found = await survey(store, policy, later());
    expect(read).toHaveBeenCalledTimes(5);
    read.mockClear();
    expect((await collect(store, policy, found, order, later)).filter(({ what }) => what === "artifact")).toHaveLength(4);
    // A removal is told to the ledger of the one run that it is about; the next removal reads that.
    expect(read.mock.calls.length).toBeLessThanOrEqual(4);
  });

  it("keeps checkpoints of runs that can go on, and removes those of finished stages and of nobody", async () => {
    const store = emptyStore();
    const [a, b, c] = [variant("a", 1), variant("b", 1), variant("c", 1)];
    await submitted(store, "open", soundPlan("p", a, b));
    const claim = await started(store, "open", a);
    await checkpointed(store, claim, 5);
    await store.claims.release(claim);
    await computed(store, "open", b, { m: "b" });
    for (const { key } of [b, c]) {
      const left = await store.claims.take(key, { run: "killed", stage: "x", attempt: 1 });
      await store.checkpoints.publish(left.claim, 7, await filled(store, { state: "7" }));
      await store.claims.release(left.claim);
    }
    const claims = (await survey(store, policy, later())).removals.filter(({ what }) => what === "claim").map(({ digest }) => digest);
    expect(claims, "those of a run that can go on stay, given back or not").toEqual([c.key]);
    expect((await collected(store)).filter((each) => each.startsWith("checkpoints")).sort()).toEqual([b, c].map(({ key }) => `checkpoints ${key}`).sort());
    expect(await store.checkpoints.newest(a.key, { deep: true })).toMatchObject({ step: 5 });
  });

  it("leaves a live claim's checkpoints and scratch, and removes those of the dead, old logs and released claims", async () => {
    const store = emptyStore();
    const { claim } = await store.claims.take(keyOf("live"), { run: "r", stage: "s", attempt: 1 });
    await store.checkpoints.publish(claim, 7, await filled(store, { state: "7" }));
    await store.claims.release((await store.claims.take(keyOf("released"), { run: "r", stage: "s", attempt: 1 })).claim);
    const dead = join(store.home, "scratch", `${2 ** 22 - 1}-1-${hostname()}-abcdef`);
    await mkdir(dead, { recursive: true });
    await mkdir(join(store.home, "logs"));
    await mkdir(join(store.home, "damaged", "x"), { recursive: true });
    await writeFile(join(store.home, "logs", "worker-1.log"), "words");
    await store.withScratch(async (mine) => {
      expect((await survey(store, policy, later())).removals.filter(({ what }) => what === "claim").map(({ digest }) => digest)).toEqual([keyOf("released")]);
      expect((await collected(store)).sort()).toEqual([`aside ${join(store.home, "damaged", "x")}`, `claim ${keyOf("released")}`, `log ${join(store.home, "logs", "worker-1.log")}`, `scratch ${dead}`]);
      expect(await readdir(join(store.home, "scratch"))).toEqual([basename(mine)]);
    });
    expect(await store.checkpoints.newest(keyOf("live"))).toBeDefined();
  });

  it("lets what was set aside, logs and scratch of the dead rest for an hour, and the first two for as long as the policy says", async () => {
    const store = emptyStore();
    await mkdir(join(store.home, "aside", "x"), { recursive: true });
    await mkdir(join(store.home, "logs"));
    await writeFile(join(store.home, "logs", "worker-1.log"), "words");
    await mkdir(join(store.home, "scratch", `${2 ** 22 - 1}-1-${hostname()}-abcdef`), { recursive: true });
    const found = async (days: number, olderThanDays: number) =>
      (await survey(store, { keep: 0, olderThanSeconds: olderThanDays * day / 1000 }, Date.now() + days * day)).removals.map(({ what }) => what);
    expect(await found(0, 0)).toEqual([]);
    expect(await found(1, 0)).toEqual(["scratch", "aside", "log"]);
    expect(await found(1, 2)).toEqual(["scratch"]);
    expect(await found(3, 2)).toEqual(["scratch", "aside", "log"]);
  });

  it.each(["ledger", "plan"])("removes nothing while a %s is damaged", async (which) => {
    const store = emptyStore();
    await run(store, "old", variant("a", 1));
    await run(store, "new", variant("a", 2));
    const path = which === "ledger" ? store.ledger.path("new") : store.runs.planPath("new", (await store.runs.planDigests("new"))[0]!);
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace(keyOf("a 2"), keyOf("a 1")));
    await expect(survey(store, policy, later())).rejects.toMatchObject({ code: "TL_STORE_CORRUPT", message: expect.stringContaining("What run new needs is not known") as string });
  });
});

describe("whatever the store and the policy, gc", () => {
  /** What a test knows of a run that it made. */
  interface Made {
    readonly id: string;
    readonly pipeline: string;
    readonly isFinished: boolean;
    readonly isPinned: boolean;
    readonly keys: readonly string[];
    readonly artifacts: readonly string[];
  }

  async function make(store: Store, id: string, random: Random): Promise<Made> {
    const pick = (below: number): number => Math.floor(random.uniform() * below);
    const pipeline = `p${pick(2)}`;
    const stages = ["a", "b", "c"].slice(0, 1 + pick(3)).map((name, index, all) => variant(name, pick(3), all.slice(0, index)));
    await submitted(store, id, soundPlan(pipeline, ...stages));
    const done = pick(4) === 0 ? pick(stages.length) : stages.length;
    const artifacts: string[] = [];
    for (const stage of stages.slice(0, done)) {
      const isThere = await store.results.find(stage.key) !== undefined;
      // Different keys may come to the same bytes.
      artifacts.push(isThere ? await reused(store, id, stage) : await computed(store, id, stage, { "model.bin": `${stage.name} ${pick(2)}` }));
    }
    const isFinished = done === stages.length;
    if (isFinished) await ended(store, id, "run-finished");
    else if (pick(2) === 0) await ended(store, id, "run-cancelled");
    const isPinned = pick(6) === 0;
    if (isPinned) await store.ledger.append(id, { type: "pinned", actor: "ada" });
    return { id, pipeline, isFinished, isPinned, keys: stages.map(({ key }) => key), artifacts };
  }

  it("loses nothing that a kept run needs, and leaves nothing that none needs", async () => {
    const seed = randomInt(2 ** 31);
    for (let round = 0; round < 6; round++) {
      const random = randomAt(seed, "gc", round);
      const store = emptyStore();
      const made: Made[] = [];
      for (let index = 0; index < 3 + Math.floor(random.uniform() * 5); index++) made.push(await make(store, `r${index}`, random));
      const keep = Math.floor(random.uniform() * 3);
      const newest = (pipeline: string) => made.filter((each) => each.pipeline === pipeline && each.isFinished).slice(keep === 0 ? Infinity : -keep);
      const kept = made.filter((each) => !each.isFinished || each.isPinned || newest(each.pipeline).includes(each));
      const results = new Map(await Promise.all(kept.flatMap(({ keys }) => keys).map(async (key) => [key, (await store.results.read(key))?.artifact] as const)));
      const needed = new Set([...kept.flatMap(({ artifacts }) => artifacts), ...[...results.values()].filter((artifact) => artifact !== undefined)]);
      const by: Policy = { keep, olderThanSeconds: 0 };
      await collect(store, by, await survey(store, by, later()), order, later);
      const words = `seed ${seed}, round ${round}`;
      expect((await readdir(join(store.home, "artifacts"))).sort(), words).toEqual([...needed].sort());
      for (const artifact of needed) expect(await store.artifacts.fault(artifact, { deep: true }), words).toBeUndefined();
      for (const [key, artifact] of results) expect((await store.results.find(key))?.artifact, words).toBe(artifact);
      expect((await verifyStore(store, { settleMilliseconds: 0 })).faults, words).toEqual([]);
    }
  });
});
