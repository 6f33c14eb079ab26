import { fork } from "node:child_process";
import { once } from "node:events";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { digestOf } from "../../foundation/canonical.js";
import { summarize } from "../../store/state.js";
import { withLock } from "../../store/lock.js";
import type { Store } from "../../store/store.js";
import { emptyStore, keyOf, planOf, plannedStage } from "./home.js";

const run = "run-1";
const path = (store: Store) => join(store.home, "ledger", `${run}.jsonl`);
const note = (actor: string) => ({ type: "cancel-requested", actor }) as const;

describe("the ledger", () => {
  it("chains events, each to the one before", async () => {
    const store = emptyStore();
    await store.ledger.append(run, note("a"), note("b"));
    await store.ledger.append(run, note("c"));
    const entries = await store.ledger.read(run);
    expect(entries.map(({ sequence }) => sequence)).toEqual([0, 1, 2]);
    expect(entries[2]!.previous).toBe(entries[1]!.hash);
    expect(await store.ledger.verify(run)).toEqual([]);
  });

  it("writes no line that it could not read again", async () => {
    const store = emptyStore();
    await store.ledger.append(run, note("a"));
    const huge = { type: "stage-finished", stage: "s", key: keyOf("s"), artifact: keyOf("a"), seconds: 1, figures: { score: Infinity }, attempt: 1 } as const;
    await expect(store.ledger.append(run, huge)).rejects.toThrow("figures");
    expect((await store.ledger.read(run)).map(({ event }) => event)).toEqual([note("a")]);
  });

  it("loses nothing and stays whole with several writer processes", async () => {
    const store = emptyStore();
    const entry = fileURLToPath(new URL("./appender.ts", import.meta.url));
    const writers = [1, 2, 3].map(() => fork(entry, [store.home, run, "15"], { execArgv: ["--import", "tsx"] }));
    const codes = await Promise.all(writers.map(async (child) => (await once(child, "exit") as [number])[0]));
    expect(codes).toEqual([0, 0, 0]);
    expect(await store.ledger.read(run)).toHaveLength(45);
    expect(await store.ledger.verify(run)).toEqual([]);
  });

  it("goes on after a line that a crash cut short", async () => {
    const store = emptyStore();
    await store.ledger.append(run, note("a"));
    await appendFile(path(store), '{"run":"run-1","sequ');
    expect(await store.ledger.read(run)).toHaveLength(1);
    await store.ledger.append(run, note("b"));
    expect((await store.ledger.read(run)).map(({ event }) => event)).toEqual([note("a"), note("b")]);
    expect(await store.ledger.verify(run)).toEqual([]);
  });

  it.each([
    ["its newest lines are missing", 1, "lines are missing from the end: the newest was number 3, there are 1"],
    ["all of it is missing", 0, "lines are missing from the end: the newest was number 3, there are 0"],
  ])("is neither read nor gone on with where %s, so that verify goes on finding it", async (_, kept, found) => {
    const store = emptyStore();
    await store.ledger.append(run, note("a"), note("b"), note("c"));
    const left = (await readFile(path(store), "utf8")).split("\n").slice(0, kept).map((line) => `${line}\n`).join("");
    await writeFile(path(store), left);
    const refused = { code: "TL_STORE_CORRUPT", message: expect.stringContaining(found), hint: expect.stringContaining("trueline verify run-1") };
    await expect(store.ledger.read(run)).rejects.toMatchObject(refused);
    await expect(store.ledger.append(run, note("d"))).rejects.toMatchObject(refused);
    await expect(store.ledger.extend(run, () => [note("d")])).rejects.toMatchObject(refused);
    expect(await readFile(path(store), "utf8")).toBe(left);
    expect(await store.ledger.verify(run)).toEqual([found]);
  });

  it("betrays a changed line, a removed line and a shortened end", async () => {
    const store = emptyStore();
    await store.ledger.append(run, note("a"), note("b"), note("c"));
    const whole = await readFile(path(store), "utf8");
    const lines = whole.trimEnd().split("\n");
    await writeFile(path(store), whole.replace('"actor":"b"', '"actor":"x"'));
    expect(await store.ledger.verify(run)).toEqual(["line 2 (cancel-requested) has been changed"]);
    await writeFile(path(store), `${lines[0]}\n${lines[2]}\n`);
    expect((await store.ledger.verify(run)).join()).toContain("does not follow the line before it");
    await writeFile(path(store), `${lines[0]}\n${lines[1]}\n`);
    expect((await store.ledger.verify(run)).join()).toContain("lines are missing from the end");
    await writeFile(path(store), whole);
    expect(await store.ledger.verify(run)).toEqual([]);
  });
});

describe("a lock", () => {
  it("whose holder died is taken over; a live one's is waited for", async () => {
    const lock = join(emptyStore().home, "lock");
    await writeFile(lock, JSON.stringify({ pid: 2 ** 22 - 1, host: hostname(), started: "1" }));
    const order: string[] = [];
    await Promise.all([1, 2, 3].map((each) => withLock(lock, async () => {
      order.push(`${each} in`);
      await new Promise((resolve) => { setTimeout(resolve, 20); });
      order.push(`${each} out`);
    })));
    expect(order).toHaveLength(6);
    for (let at = 0; at < 6; at += 2) expect(order[at + 1]).toBe(order[at]!.replace("in", "out"));
  });
});

describe("a run's state", () => {
  const plan = planOf(plannedStage("a"), plannedStage("b", ["a"]));
  const worker = { pid: 1, host: "h" };
  const named = (stage: string) => ({ stage, key: keyOf(stage) });

  it("follows from its ledger, also over a failure and a resumption", async () => {
    const store = emptyStore();
    const failure = { code: "TL_X", message: "no" };
    const state = async () => summarize(plan, await store.ledger.read(run));
    expect((await state()).state).toBe("submitted");
    await store.ledger.append(run,
      { type: "stage-started", ...named("a"), attempt: 1, worker, inputs: {} },
      { type: "stage-finished", ...named("a"), artifact: keyOf("artifact"), seconds: 3, figures: { x: 1 } },
      { type: "stage-started", ...named("b"), attempt: 1, worker, inputs: {} },
      { type: "checkpoint-saved", ...named("b"), step: 7, checkpoint: keyOf("c"), bytes: 1 });
    expect(await state()).toMatchObject({ state: "running", stages: [{ state: "finished", seconds: 3 }, { state: "running", checkpoint: 7 }] });
    await store.ledger.append(run,
      { type: "stage-failed", ...named("b"), attempt: 1, failure, retry: false }, { type: "run-failed", failures: [{ stage: "b", ...failure }] });
    expect(await state()).toMatchObject({ state: "failed", stages: [{ state: "finished" }, { state: "failed", failure }] });
    await store.ledger.append(run,
      { type: "run-resumed", found: "failed", versions: {}, attempt: 2, actor: "me" },
      { type: "stage-reused", ...named("a"), artifact: keyOf("artifact"), from: run, figures: { x: 1 } },
      { type: "stage-started", ...named("b"), attempt: 1, worker, inputs: {}, resumedFrom: 7 });
    expect(await state()).toMatchObject({ state: "running", stages: [{ state: "finished", seconds: 3 }, { state: "running", checkpoint: 7 }] });
  });
});

describe("runs", () => {
  it("keep their plan as it was submitted, and tell when it was changed", async () => {
    const store = emptyStore();
    const plan = planOf(plannedStage("a"));
    await store.runs.create(run, plan, "me");
    expect(await store.runs.plan(run)).toEqual(plan);
    await writeFile(store.runs.planPath(run, digestOf(plan)), JSON.stringify({ ...plan, name: "other" }));
    await expect(store.runs.plan(run)).rejects.toMatchObject({ code: "TL_STORE_CORRUPT" });
    await expect(store.runs.read("../run-1")).rejects.toMatchObject({ code: "TL_STORE_MISSING" });
  });
});
