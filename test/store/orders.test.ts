import { describe, expect, it } from "vitest";
import type { LedgerEntry, LedgerEvent } from "../../schemas/events.js";
import { gatesOf, isOver, orderedStop, ordersOf, unfinishedAsides } from "../../store/orders.js";
import { keyOf } from "./home.js";

const me = { actor: "me" } as const;
const resumed: LedgerEvent = { type: "run-resumed", attempt: 2, found: "failed", versions: {}, ...me };
const gate = "before:ppo";
const asked = (key = keyOf("ppo")): LedgerEvent => ({ type: "approval-asked", gate, stage: "ppo", key, question: "Go?" });
const answered = (decision: "approved" | "rejected", actor = "me"): LedgerEvent => ({ type: "approval-answered", gate, stage: "ppo", decision, actor });

function entries(...events: readonly LedgerEvent[]): LedgerEntry[] {
  return events.map((event, sequence) => ({ run: "r", sequence, at: "", previous: keyOf("p"), hash: keyOf("h"), event }));
}

describe("orders", () => {
  it("are those since the newest attempt began", () => {
    const given: LedgerEvent[] = [{ type: "pause-requested", ...me }, { type: "retry-requested", stage: "sft", ...me }, { type: "retry-requested", stage: "sft", ...me }];
    expect(ordersOf(entries(...given))).toMatchObject({ count: 3, paused: true, retries: { sft: 2 } });
    expect(ordersOf(entries(...given, { type: "unpause-requested", ...me }))).toMatchObject({ count: 4, paused: false });
    expect(ordersOf(entries(...given, resumed))).toEqual({ count: 0, paused: false, retries: {}, answers: {}, breaches: [] });
  });

  it("end an attempt that somebody wants cancelled, or that has its end already, and none after it", () => {
    const cancelled: LedgerEvent = { type: "cancel-requested", ...me };
    expect(ordersOf(entries(cancelled))).toMatchObject({ stop: "cancelled" });
    for (const type of ["run-cancelled", "run-paused", "run-finished"] as const) expect(ordersOf(entries(cancelled, { type }))).toMatchObject({ stop: "over" });
    expect(ordersOf(entries(cancelled, { type: "run-cancelled" }, resumed))).not.toHaveProperty("stop");
    expect(ordersOf(entries(cancelled, resumed))).not.toHaveProperty("stop");
  });

  it("hold answers over all attempts, the newest of each question", () => {
    expect(ordersOf(entries(asked(), answered("approved"), resumed)).answers).toEqual({ [gate]: { stage: "ppo", key: keyOf("ppo"), decision: "approved", actor: "me" } });
    expect(ordersOf(entries(asked(), answered("rejected"), answered("approved"))).answers[gate]).toMatchObject({ decision: "approved" });
    expect(ordersOf(entries(asked(), answered("approved"), answered("rejected"), resumed)).answers[gate]).toMatchObject({ decision: "rejected" });
  });

  it("hold what successive halving has stopped over all attempts, until it is tried again or set aside", () => {
    const halved = (step: number, ...names: readonly string[]): LedgerEvent => ({
      type: "sweep-halved", of: "ppo", step, metric: "m", kept: [], ended: [], stopped: names.map((name) => ({ stage: name, key: keyOf(name) })),
    });
    const left = (...events: readonly LedgerEvent[]) => {
      const { halved: found } = ordersOf(entries(halved(10, "a", "b"), resumed, halved(20, "c"), ...events));
      return [found?.step, ...found?.stopped.map(({ stage }) => stage) ?? []];
    };
    expect(left()).toEqual([20, "a", "b", "c"]);
    expect(left({ type: "retry-requested", stage: "b", ...me }, resumed)).toEqual([20, "a", "c"]);
    expect(left({ type: "stage-set-aside", stage: "c", key: keyOf("c"), ...me })).toEqual([20, "a", "b"]);
    expect("halved" in ordersOf(entries(resumed))).toBe(false);
  });

  it("take no answer for a stage that was edited since, nor to a question that was never asked", () => {
    expect(ordersOf(entries(asked(), answered("approved"), resumed, asked(keyOf("ppo, edited")))).answers).toEqual({});
    expect(ordersOf(entries(answered("approved"))).answers).toEqual({});
  });

  it("forget that nobody answered in time once the run is resumed or the stage tried again", () => {
    const late = [asked(), answered("rejected", "deadline")];
    expect(ordersOf(entries(...late)).answers[gate]).toMatchObject({ decision: "rejected" });
    expect(ordersOf(entries(...late, resumed)).answers).toEqual({});
    expect(ordersOf(entries(...late, { type: "retry-requested", stage: "sft", ...me })).answers[gate]).toMatchObject({ decision: "rejected" });
    expect(ordersOf(entries(...late, { type: "retry-requested", stage: "ppo", ...me })).answers).toEqual({});
  });

  it("say why a stage is to stop: what was asked last", () => {
    const paused: LedgerEvent = { type: "pause-requested", ...me };
    const late = (stage?: string): LedgerEvent => ({ type: "deadline-passed", seconds: 5, ...(stage !== undefined && { stage }) });
    const cancelled: LedgerEvent = { type: "cancel-requested", ...me };
    const cause = (...events: LedgerEvent[]) => orderedStop(entries(...events), "ppo");
    expect([cause(), cause(cancelled), cause(paused), cause(late()), cause(late("ppo")), cause(late("sft"))])
      .toEqual(["cancelled", "cancelled", "paused", "deadline", "deadline", "cancelled"]);
    expect([cause(paused, resumed), cause(paused, { type: "unpause-requested", ...me }), cause(paused, cancelled), cause(late("ppo"), { type: "retry-requested", stage: "ppo", ...me })])
      .toEqual(["cancelled", "cancelled", "cancelled", "cancelled"]);
  });

  it("name what a run asks, with the answer that counts", () => {
    expect(gatesOf(entries(asked()))).toEqual([{ gate, stage: "ppo", answer: undefined }]);
    expect(gatesOf(entries(asked(), answered("rejected")))).toMatchObject([{ answer: { decision: "rejected" } }]);
  });

  it("know an attempt that has ended from one that goes on", () => {
    expect([isOver(entries()), isOver(entries({ type: "run-paused" })), isOver(entries({ type: "run-paused" }, resumed))]).toEqual([false, true, false]);
    expect(isOver(entries({ type: "run-finished" }, { type: "notification-sent", occasion: "run-finished", host: "h", id: "1" }))).toBe(true);
  });
});

describe("a stage set aside", () => {
  const of = { stage: "rm", key: keyOf("rm") };
  const aside: LedgerEvent = { type: "stage-set-aside", ...of, ...me };
  const started: LedgerEvent = { type: "stage-started", ...of, attempt: 1, worker: { pid: 1, host: "h" }, inputs: {} };
  const found = (...events: readonly LedgerEvent[]) => unfinishedAsides(entries(...events)).map(({ name }) => name);

  it("is still to be done where the resume that did so never began", () => {
    expect(found(started, resumed, started, aside)).toEqual(["rm"]);
    expect(found(aside, resumed)).toEqual([]);
  });

  it("because it was damaged is done once it is begun anew: what it saves from then on is kept", () => {
    expect(found(resumed, aside, started)).toEqual([]);
    expect(found(resumed, aside, { type: "stage-reused", ...of, artifact: keyOf("artifact"), from: "another", figures: {} })).toEqual([]);
    expect(found(resumed, aside, { ...started, key: keyOf("another") })).toEqual(["rm"]);
  });
});
