import { describe, expect, it } from "vitest";
import type { LedgerEvent } from "../../schemas/events.js";
import { summarize } from "../../store/state.js";
import { emptyStore, keyOf, planOf, plannedStage } from "./home.js";

const worker = { pid: 1, host: "here" };
const started = (stage: string, key = stage): LedgerEvent => ({ type: "stage-started", stage, key: keyOf(key), attempt: 1, worker, inputs: {} });
const finished = (stage: string, key = stage): LedgerEvent => ({ type: "stage-finished", stage, key: keyOf(key), artifact: keyOf(`artifact of ${key}`), seconds: 7, figures: {} });
const resumed: LedgerEvent = { type: "run-resumed", attempt: 2, actor: "a", versions: {}, found: "finished" };

async function summary(stages: readonly string[], ...events: readonly LedgerEvent[]) {
  const store = emptyStore();
  await store.ledger.append("r", ...events);
  return summarize(planOf(...stages.map((name) => plannedStage(name))), await store.ledger.read("r"));
}

describe("successive halving", () => {
  const held = (stage: string): LedgerEvent => ({ type: "stage-held", stage, key: keyOf(stage), step: 10, metric: "m", value: 1 });
  const halved: LedgerEvent = { type: "sweep-halved", of: "ppo", step: 10, metric: "m", kept: [], ended: [], stopped: [{ stage: "b", key: keyOf("b") }, { stage: "a", key: keyOf("a before") }] };
  const after = async (...events: readonly LedgerEvent[]) => {
    const store = emptyStore();
    await store.ledger.append("r", started("a"), held("a"), started("b"), held("b"), ...events);
    const plan = planOf(plannedStage("a"), plannedStage("b"), plannedStage("eval.a", ["a"]), plannedStage("eval.b", ["b"]));
    return summarize(plan, await store.ledger.read("r")).stages.map(({ state, checkpoint }) => `${state} ${checkpoint ?? ""}`.trim());
  };

  it("has stages wait at their rung, then stops some, with what comes after them, for all attempts", async () => {
    expect(await after()).toEqual(["held 10", "held 10", "waiting", "waiting"]);
    expect(await after(halved)).toEqual(["waiting 10", "stopped-early 10", "waiting", "stopped-early"]);
    expect(await after(halved, { type: "run-finished" }, resumed)).toEqual(["waiting 10", "stopped-early 10", "waiting", "stopped-early"]);
  });

  it("lets a stage go on that somebody has tried again", async () => {
    expect(await after(halved, { type: "run-finished" }, { type: "retry-requested", stage: "b", actor: "me" }, resumed)).toEqual(["waiting 10", "waiting 10", "waiting", "waiting"]);
  });
});

describe("what a ledger amounts to", () => {
  it("leaves out what a stage did under an earlier plan of the run, when its key was another", async () => {
    const { stages } = await summary(["a", "b"], started("a"), finished("a"), started("b", "b before"), finished("b", "b before"), resumed);
    expect(stages.map(({ name, state, artifact }) => [name, state, artifact])).toEqual([
      ["a", "finished", keyOf("artifact of a")], ["b", "waiting", undefined],
    ]);
  });

  it("takes a result back that was set aside", async () => {
    const aside: LedgerEvent = { type: "stage-set-aside", stage: "a", key: keyOf("a"), artifact: keyOf("artifact of a"), actor: "a" };
    const { stages } = await summary(["a", "b"], finished("a"), finished("b"), aside, resumed);
    expect(stages).toMatchObject([{ state: "waiting", artifact: undefined, seconds: undefined }, { state: "finished" }]);
  });
});
