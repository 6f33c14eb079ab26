import { appendFile, mkdir, rm } from "node:fs/promises";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Store } from "../../store/store.js";
import { StoreReader } from "../../store/store-reader.js";
import { emptyStore, plannedStage } from "./home.js";
import { ended, soundPlan, submitted } from "./life.js";

const plan = soundPlan("p", plannedStage("a"));
const edited = soundPlan("p", plannedStage("b"));
let store: Store;
let reader: StoreReader;

beforeEach(async () => {
  store = emptyStore();
  vi.useFakeTimers({ toFake: ["Date"], now: 0 });
  for (const [minute, id] of ["one", "two"].entries()) {
    vi.setSystemTime(60_000 * (minute + 1));
    await submitted(store, id, plan);
  }
  vi.useRealTimers();
  reader = new StoreReader(store);
});

describe("a reader of runs", () => {
  it("reads a run again once its ledger has grown, and no other", async () => {
    const [two, one] = await reader.runs();
    expect([two!.run, one!.run], "newest first").toEqual(["two", "one"]);
    await ended(store, "two", "run-finished");
    const [grown, same] = await reader.runs();
    expect(grown!.entries.at(-1)!.event.type).toBe("run-finished");
    expect(same).toBe(one);
  });

  it("reads it again once it has another plan, though its ledger does not say so yet, and keeps those before", async () => {
    expect((await reader.runs())[1]!.plans).toEqual([plan]);
    await store.runs.replan("one", edited);
    const [, one] = await reader.runs();
    expect(one!.plans).toEqual([plan, edited]);
  });

  it("finds runs that have a ledger alone, or a folder alone, of a kill on the way", async () => {
    await mkdir(store.runs.directory("begun"));
    await store.ledger.append("told", { type: "pinned", actor: "ada" });
    expect((await reader.runs()).map(({ run }) => run).sort()).toEqual(["begun", "one", "told", "two"]);
  });

  it.each([
    ["a line that is none", () => appendFile(store.ledger.path("one"), "{}\n")],
    ["a plan that the ledger names and that is gone", async () => rm(store.runs.planPath("one", (await store.runs.read("one")).planDigest))],
  ])("refuses to know less than all: %s", async (_, damage) => {
    await reader.runs();
    await damage();
    await expect(reader.runs()).rejects.toMatchObject({ code: "TL_STORE_CORRUPT", message: expect.stringContaining("What run one needs is not known") as string });
  });
});
