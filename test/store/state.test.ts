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
