import type * as Files from "node:fs/promises";
import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { digestOf } from "../../foundation/canonical.js";
import { TruelineError } from "../../foundation/errors.js";
import type { StageResult } from "../../schemas/artifact.js";
import type { LedgerEvent } from "../../schemas/events.js";
import { Store } from "../../store/store.js";
import { emptyStore, filled, keyOf, planOf, plannedStage } from "./home.js";
import { Death, Mortality } from "./mortal-files.js";

const mortality = await vi.hoisted(async () => new (await import("./mortal-files.js")).Mortality()) as Mortality;
vi.mock("node:fs/promises", async (original) => mortality.wrap(await original<typeof Files>()));

const key = keyOf("stage");
const [plan, otherPlan] = [planOf(plannedStage("s")), planOf(plannedStage("t"))];
const event: LedgerEvent = { type: "cancel-requested", actor: "somebody" };
const submitted: LedgerEvent = {
  type: "run-submitted", name: "n", specPath: "/s.json", specDigest: keyOf("spec"), planDigest: digestOf(plan), actor: "somebody", versions: {},
};
const metadata = { figures: {} };
const claim = (store: Store, attempt = 1) => store.claims.take(key, { run: "r", stage: "s", attempt }).then((taken) => taken.claim);

async function artifact(store: Store): Promise<string> {
  const directory = await filled(store, { weights: "many numbers", config: "{}" });
  await mortality.forget(directory);
  return store.artifacts.publish(directory, "report", metadata);
}

async function checkpoint(store: Store, step: number): Promise<void> {
  const directory = await filled(store, { weights: `after ${step}`, moments: `at ${step}` });
  await mortality.forget(directory);
  await store.checkpoints.publish(await claim(store, step), step, directory);
}

async function result(store: Store): Promise<StageResult> {
  const found: StageResult = {
    version: 1, key, artifact: await artifact(store), type: "report", kind: "evaluate", stage: "s", run: "r", finishedAt: "2026-01-01T00:00:00Z", seconds: 1, figures: {},
  };
  await store.results.publish(await claim(store), found);
  return found;
}

interface Change {
  readonly before?: (store: Store) => Promise<unknown>;
  readonly change: (store: Store) => Promise<unknown>;
  /** What a reader sees. */
  readonly seen: (store: Store) => Promise<unknown>;
  readonly allowed: readonly unknown[];
}

const entries = async ({ ledger }: Store) => ({ count: (await ledger.read("r")).length, faults: await ledger.verify("r") });

const changes: Readonly<Record<string, Change>> = {
  "a checkpoint": {
    before: (store) => checkpoint(store, 5), change: (store) => checkpoint(store, 10),
    seen: async ({ checkpoints }) => (await checkpoints.newest(key, { deep: true }))?.step, allowed: [5, 10],
  },
  "a checkpoint over a damaged one of the same step": {
    before: async (store) => {
      await checkpoint(store, 5);
      await checkpoint(store, 10);
    },
    change: (store) => checkpoint(store, 10), seen: async ({ checkpoints }) => (await checkpoints.newest(key, { deep: true }))?.step, allowed: [5, 10],
  },
  "a third checkpoint, which supersedes the first": {
    before: async (store) => {
      await checkpoint(store, 5);
      await checkpoint(store, 10);
    },
    change: (store) => checkpoint(store, 15), seen: async ({ checkpoints }) => (await checkpoints.newest(key, { deep: true }))?.step, allowed: [10, 15],
  },
  "an artifact": {
    change: artifact,
    seen: async ({ artifacts }) => {
      const digest = digestOf({ version: 1, type: "report", files: manifest, metadata });
      return /There is no artifact/.test(await artifacts.fault(digest, { deep: true }) ?? "") ? "none" : await artifacts.fault(digest, { deep: true }) ?? "whole";
    },
    allowed: ["none", "whole"],
  },
  "a result": { change: result, seen: async ({ results }) => (await results.find(key))?.key, allowed: [undefined, key] },
  "a ledger's first line": { change: ({ ledger }) => ledger.append("r", event), seen: entries, allowed: [{ count: 0, faults: [] }, { count: 1, faults: [] }] },
  "two more lines": {
    before: ({ ledger }) => ledger.append("r", event, event), change: ({ ledger }) => ledger.append("r", event, event), seen: entries,
    allowed: [{ count: 2, faults: [] }, { count: 3, faults: [] }, { count: 4, faults: [] }],
  },
  "a run": {
    change: (store) => store.runs.create("r", plan, "somebody", () => store.ledger.append("r", submitted)),
    seen: async ({ runs, ledger }) => (await runs.list()).length === 0 ? "none" : [(await runs.plan("r")).stages[0]?.name, (await ledger.read("r")).length],
    allowed: ["none", ["s", 1]],
  },
  "another plan for a run": {
    before: ({ runs }) => runs.create("r", plan, "somebody"), change: ({ runs }) => runs.replan("r", otherPlan),
    seen: async ({ runs }) => (await runs.plan("r")).stages[0]?.name, allowed: ["s", "t"],
  },
  "a claim": {
    change: (store) => claim(store), seen: async ({ claims }) => (await claims.holder(key))?.run, allowed: [undefined, "r"],
  },
};

/** Records of the files of `artifact` above. */
const manifest = [
  { path: "config", bytes: 2, sha256: keyOf("{}") },
  { path: "weights", bytes: 12, sha256: keyOf("many numbers") },
];

describe.each(Object.entries(changes))("a process that dies while it writes %s", (_, { before, change, seen, allowed }) => {
  it.each([["killed", false], ["without power", true]])("%s, leaves what was there before or what was to be, and another process can do it again", async (__, powerCut) => {
    let points = 0;
    for (let finished = false; !finished; points++) {
      const store = emptyStore();
      await before?.(store);
      mortality.dieAt(points + 1);
      finished = await change(store).then(() => true, (error: unknown) => {
        if (error instanceof Death || (error instanceof Error && error.cause instanceof Death)) return false;
        throw error;
      });
      await mortality.revive(store.home);
      if (powerCut) await mortality.cutPower();
      mortality.remember();
      const next = new Store(store.home);
      expect(finished ? [allowed.at(-1)] : allowed, `dead at change ${points + 1}`).toContainEqual(await seen(next));
      await change(next).catch((error: unknown) => {
        // What a submission has made, no other may make again.
        if (!(error instanceof TruelineError) || error.code !== "TL_RUN_EXISTS") throw error;
      });
      const { faults = [] } = z.object({ faults: z.array(z.string()).optional() }).safeParse(await seen(next)).data ?? {};
      expect(faults).toEqual([]);
    }
    expect(points).toBeGreaterThan(5);
  });
});
