import { cp, mkdir, readdir, truncate, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { Claim } from "../../store/claims.js";
import type { Store } from "../../store/store.js";
import { emptyStore, filled, keyOf } from "./home.js";

const key = keyOf("stage");

async function claimed(store: Store, run = "run", attempt = 1): Promise<Claim> {
  const { granted, claim } = await store.claims.take(key, { run, stage: "stage", attempt });
  expect(granted).toBe(true);
  return claim;
}

async function saved(store: Store, claim: Claim, step: number): Promise<void> {
  await store.checkpoints.publish(claim, step, await filled(store, { state: `after ${step}` }));
}

describe("checkpoints", () => {
  it("keep the two newest and give the newest", async () => {
    const store = emptyStore();
    const claim = await claimed(store);
    for (const step of [5, 10, 100]) await saved(store, claim, step);
    expect(await store.checkpoints.newest(key, { deep: true })).toMatchObject({ step: 100, run: "run" });
    expect((await readdir(join(store.home, "checkpoints", key))).sort()).toEqual(["10", "100"]);
  });

  it("that are damaged are passed over, saying why, for the one before", async () => {
    const store = emptyStore();
    const claim = await claimed(store);
    for (const step of [5, 10]) await saved(store, claim, step);
    await writeFile(join(store.home, "checkpoints", key, "10", "state"), "after XX");
    const skipped: unknown[] = [];
    expect(await store.checkpoints.newest(key, { deep: true, onSkip: (each) => { skipped.push(each); } })).toMatchObject({ step: 5 });
    expect(skipped).toEqual([{ step: 10, reason: "the bytes of state have changed" }]);
    await truncate(join(store.home, "checkpoints", key, "5", "checkpoint.json"), 10);
    expect(await store.checkpoints.newest(key, { deep: true })).toBeUndefined();
  });

  it("are kept beyond the two newest where they are asked for", async () => {
    const store = emptyStore();
    const claim = await claimed(store);
    for (const step of [5, 10, 15]) await saved(store, claim, step);
    await store.checkpoints.publish(claim, 20, await filled(store, { state: "x" }), { keep: [10, 5] });
    expect((await store.checkpoints.places(key)).map(({ step }) => step)).toEqual([20, 15, 10]);
    await store.checkpoints.publish(claim, 25, await filled(store, { state: "x" }), { keep: [10] });
    expect((await store.checkpoints.places(key)).map(({ step }) => step)).toEqual([25, 20, 10]);
    expect(await store.checkpoints.newest(key, { deep: true, accept: (step) => step < 20 })).toMatchObject({ step: 10 });
  });

  it("of a new course replace those of the old one from their step on, and are newer than any of them", async () => {
    const store = emptyStore();
    const claim = await claimed(store);
    for (const step of [5, 10]) await saved(store, claim, step);
    await store.checkpoints.publish(claim, 5, await filled(store, { state: "back" }), { course: 1 });
    expect(await store.checkpoints.newest(key, { deep: true })).toMatchObject({ step: 5, course: 1 });
    expect((await store.checkpoints.places(key)).map(({ name }) => name)).toEqual(["5.1"]);
    // As if killed between the rename and the removal of what it replaces.
    await mkdir(join(store.home, "checkpoints", key, "10"));
    await cp(join(store.home, "checkpoints", key, "5.1"), join(store.home, "checkpoints", key, "9"), { recursive: true });
    expect(await store.checkpoints.newest(key, { deep: true })).toMatchObject({ step: 5, course: 1 });
    await store.checkpoints.publish(claim, 7, await filled(store, { state: "on" }), { course: 1 });
    expect((await store.checkpoints.places(key)).map(({ name }) => name)).toEqual(["7.1", "5.1"]);
  });

  it("are not confused by stray directories", async () => {
    const store = emptyStore();
    await saved(store, await claimed(store), 5);
    for (const stray of ["notes", "7.tmp", "9"]) await mkdir(join(store.home, "checkpoints", key, stray));
    expect(await store.checkpoints.newest(key)).toMatchObject({ step: 5 });
  });

  it("of a step that was reached again replace what claims to be later", async () => {
    const store = emptyStore();
    const claim = await claimed(store);
    for (const step of [5, 10]) await saved(store, claim, step);
    await saved(store, claim, 7);
    expect(await store.checkpoints.newest(key)).toMatchObject({ step: 7 });
  });
});

describe("the fence", () => {
  it("keeps an attempt that was given up from publishing over its successor", async () => {
    const store = emptyStore();
    const zombie = await claimed(store, "run", 1);
    const successor = await claimed(store, "run", 2);
    await saved(store, successor, 5);
    await expect(saved(store, zombie, 9)).rejects.toMatchObject({ code: "TL_STORE_SUPERSEDED" });
    await expect(store.claims.renew(zombie)).rejects.toMatchObject({ code: "TL_STORE_SUPERSEDED" });
    await store.claims.release(zombie);
    expect(await store.claims.holder(key)).toMatchObject({ attempt: 2 });
    expect(await store.checkpoints.newest(key)).toMatchObject({ step: 5 });
  });

  it("lets another run wait for a live attempt, and take over from a released or dead one", async () => {
    const store = emptyStore();
    const first = await claimed(store, "one");
    expect(await store.claims.take(key, { run: "two", stage: "stage", attempt: 1 })).toMatchObject({ granted: false, claim: { run: "one" } });
    await store.claims.release(first);
    const second = await claimed(store, "two");
    const dead = { ...second, holder: { pid: 2 ** 22 - 1, host: hostname(), started: "1" } };
    await writeFile(join(store.home, "claims", `${key}.json`), JSON.stringify(dead));
    expect(await store.claims.holder(key)).toBeUndefined();
    await claimed(store, "three");
  });

  describe("and a claim of another host", () => {
    const minute = 60_000;
    let clock = 0;

    async function elsewhere(renewedAt: number): Promise<Store> {
      const store = emptyStore();
      const claim = { ...await claimed(store, "one"), holder: { pid: 1, host: "elsewhere", started: "" } };
      await writeFile(join(store.home, "claims", `${key}.json`), JSON.stringify({ ...claim, renewedAt: new Date(renewedAt).toISOString() }));
      vi.spyOn(performance, "now").mockImplementation(() => clock);
      onTestFinished(() => { vi.restoreAllMocks(); });
      return store;
    }

    async function isHeldAfter(store: Store, milliseconds: number): Promise<boolean> {
      await store.claims.holder(key);
      clock += milliseconds;
      return await store.claims.holder(key) !== undefined;
    }

    it("believe it while it is renewed, and no longer", async () => {
      const store = await elsewhere(Date.now() - 60 * minute);
      expect(await isHeldAfter(store, 40_000)).toBe(true);
      expect(await isHeldAfter(store, 10_000)).toBe(false);
    });

    it("do not take a jump of the clock for silence, nor a clock that is ahead for life", async () => {
      const store = await elsewhere(Date.now());
      vi.spyOn(Date, "now").mockReturnValue(Date.now() + 24 * 60 * minute);
      expect(await isHeldAfter(store, 30_000)).toBe(true);
      const ahead = await elsewhere(Date.now() + 24 * 60 * minute);
      expect(await isHeldAfter(ahead, 4 * minute)).toBe(true);
      expect(await isHeldAfter(ahead, 2 * minute)).toBe(false);
    });
  });
});
