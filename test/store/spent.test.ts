import { expect, it } from "vitest";
import type { LedgerEntry, LedgerEvent } from "../../schemas/events.js";
import { mostOf, timeSpent } from "../../store/spent.js";
import { keyOf } from "./home.js";

const key = keyOf("s");
const named = { stage: "s", key };
const started = (resumedFrom?: number): LedgerEvent => ({ type: "stage-started", ...named, attempt: 1, worker: { pid: 1, host: "h" }, inputs: {}, ...(resumedFrom !== undefined && { resumedFrom }) });
const saved = (step: number): LedgerEvent => ({ type: "checkpoint-saved", ...named, step, checkpoint: keyOf("c"), bytes: 1 });
const finished = (seconds: number): LedgerEvent => ({ type: "stage-finished", ...named, artifact: keyOf("a"), seconds, figures: {} });

/** A ledger as [seconds since its start, event]. */
function spent(...lines: readonly (readonly [number, LedgerEvent])[]) {
  const entries = lines.map(([second, event], sequence): LedgerEntry => ({
    run: "r", sequence, at: new Date(Date.UTC(2026, 0, 1) + second * 1000).toISOString(), previous: keyOf("p"), hash: keyOf("h"), event,
  }));
  return timeSpent(entries).get(key);
}

it("counts an attempt up to its checkpoints, and not what it did after the last", () => {
  const found = spent([10, started()], [40, saved(5)], [70, saved(10)], [500, { type: "run-cancelled" }]);
  expect([...found!.upTo]).toEqual([[5, 30], [10, 60]]);
  expect([found!.whole, mostOf(found)]).toEqual([undefined, 60]);
});

it("goes on counting from the checkpoint that an attempt resumed from, also after a third resume", () => {
  const found = spent([0, started()], [30, saved(5)], [1000, started(5)], [1020, saved(10)], [5000, started(10)], [5007, finished(7)]);
  expect(found!.upTo.get(10)).toBe(50);
  expect(mostOf(found)).toBe(57);
});

it("begins from nothing where an attempt did", () => {
  expect(spent([0, started()], [30, saved(5)], [100, started()], [108, finished(8)])!.whole).toBe(8);
});

it("knows of nothing where nothing was done", () => {
  expect(mostOf(spent([0, { type: "run-finished" }]))).toBe(0);
});
