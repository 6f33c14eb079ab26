import { onTestFinished, describe, expect, it } from "vitest";
import { chooseGate } from "../../cli/answer.js";
import { concerned } from "../../cli/retry.js";
import type { LedgerEntry, LedgerEvent } from "../../schemas/events.js";
import type { Store } from "../../store/store.js";
import { emptyStore, keyOf, planOf, plannedStage as stage } from "../store/home.js";
import { trueline } from "./trueline.js";

const plan = planOf(stage("sft"), stage("rm", ["sft"]), stage("ppo", ["rm"]), stage("dpo", ["sft"]), stage("eval", ["ppo", "dpo"]));
const asked = (name: string): LedgerEvent => ({ type: "approval-asked", gate: `before:${name}`, stage: name, key: keyOf(name), question: "Go?" });
const answered = (name: string, decision: "approved" | "rejected"): LedgerEvent => ({ type: "approval-answered", gate: `before:${name}`, stage: name, decision, actor: "ann" });
const finished = (name: string): LedgerEvent => ({ type: "stage-finished", stage: name, key: keyOf(name), artifact: keyOf("artifact"), seconds: 1, figures: {} });
const failed = (name: string, code = "TL_TRAIN_DIVERGED"): LedgerEvent => ({ type: "stage-failed", stage: name, key: keyOf(name), failure: { code, message: "no" }, retry: false });

function entries(...events: readonly LedgerEvent[]): LedgerEntry[] {
  return events.map((event, sequence) => ({ run: "r", sequence, at: "", previous: keyOf("p"), hash: keyOf("h"), event }));
}

/** The home of commands in a test, with one run in it. */
async function homeWith(...events: readonly LedgerEvent[]): Promise<Store> {
  const store = emptyStore();
  const before = process.env.TRUELINE_HOME;
  process.env.TRUELINE_HOME = store.home;
  onTestFinished(() => {
    if (before === undefined) delete process.env.TRUELINE_HOME;
    else process.env.TRUELINE_HOME = before;
  });
  await store.runs.create("r", plan, "me", () => store.ledger.append("r", ...events));
  return store;
}

describe("an answer", () => {
  const choose = (decision: "approved" | "rejected", named: string | undefined, ...events: LedgerEvent[]) => chooseGate("r", plan, entries(...events), decision, named).gate;

  it("is for the one question that is open, or for the one named by its stage or gate", () => {
    expect(choose("approved", undefined, asked("ppo"))).toBe("before:ppo");
    expect(choose("approved", undefined, asked("rm"), answered("rm", "approved"), asked("ppo"))).toBe("before:ppo");
    expect(choose("rejected", "ppo", asked("ppo"), asked("dpo"))).toBe("before:ppo");
    expect(choose("rejected", "before:dpo", asked("ppo"), asked("dpo"))).toBe("before:dpo");
  });

  it("can change one's mind, until the stage is done", () => {
    expect(choose("approved", undefined, asked("ppo"), answered("ppo", "rejected"))).toBe("before:ppo");
    expect(() => choose("rejected", undefined, asked("ppo"), answered("ppo", "approved"), finished("ppo"))).toThrow(expect.objectContaining({ code: "TL_APPROVAL_NONE" }) as Error);
  });

  it("is refused where nothing is asked, or it is not clear what", () => {
    expect(() => choose("approved", undefined)).toThrow(expect.objectContaining({ code: "TL_APPROVAL_NONE" }) as Error);
    expect(() => choose("approved", "rm", asked("ppo"))).toThrow(expect.objectContaining({ code: "TL_APPROVAL_NONE", hint: "It asks: before:ppo." }) as Error);
    expect(() => choose("approved", undefined, asked("ppo"), asked("dpo"))).toThrow(expect.objectContaining({ code: "TL_APPROVAL_SEVERAL" }) as Error);
  });
});

describe("another try", () => {
  it("concerns the stage, what it lacks, what comes after it, and what is done; not another branch that failed", () => {
    expect(concerned(plan, "ppo", ["sft"])).toEqual(["sft", "rm", "ppo", "eval"]);
    expect(concerned(plan, "dpo", ["sft", "rm"])).toEqual(["sft", "rm", "dpo", "eval"]);
  });

  it("is refused for a stage that is unknown, has not failed, or was rejected", async () => {
    await homeWith(finished("sft"), failed("rm"), asked("ppo"), answered("ppo", "rejected"), failed("ppo", "TL_APPROVAL_REJECTED"), { type: "run-failed", failures: [] });
    expect(await trueline(["retry", "r", "pppo"])).toMatchObject({ code: 3, stderr: expect.stringContaining("TL_RUN_STAGE_UNKNOWN") as string });
    expect(await trueline(["retry", "r", "sft"])).toMatchObject({ code: 4, stderr: expect.stringContaining("TL_STAGE_NOT_FAILED") as string });
    expect(await trueline(["retry", "r", "ppo"])).toMatchObject({ code: 4, stderr: expect.stringContaining("trueline approve r before:ppo") as string });
  });
});

describe("orders to a run that nothing works on", () => {
  const types = async (store: Store) => (await store.ledger.read("r")).map(({ event }) => event.type);

  it("pause it by the ledger alone; watch then ends with 6, and cancel takes it off the list of those that wait", async () => {
    const store = await homeWith(failed("sft"));
    expect(await trueline(["pause", "r", "--reason", "lunch"])).toMatchObject({ code: 0, stdout: expect.stringContaining("is paused") as string });
    expect(await types(store)).toEqual(["stage-failed", "pause-requested", "run-paused"]);
    expect(await trueline(["watch", "r"])).toMatchObject({ code: 6, stdout: expect.stringContaining("trueline unpause r") as string });
    expect(await trueline(["pause", "r"])).toMatchObject({ code: 4, stderr: expect.stringMatching(/TL_RUN_OVER Run r is paused already: `trueline unpause r`/) as string });
    expect(await trueline(["unpause", "r", "--detach"])).toMatchObject({ code: 1, stderr: expect.stringContaining("TL_TEMPORAL_UNAVAILABLE") as string });
    expect((await trueline(["cancel", "r", "--reason", "wrong data"])).code).toBe(0);
    expect((await store.ledger.read("r")).slice(-2).map(({ event }) => event)).toMatchObject([{ type: "cancel-requested", reason: "wrong data" }, { type: "run-cancelled" }]);
    expect((await trueline(["cancel", "r"])).code).toBe(4);
    expect(await trueline(["unpause", "r"])).toMatchObject({ code: 4, stderr: expect.stringContaining("TL_RUN_NOT_PAUSED") as string });
  });

  it.each([["a line of its own", "fine\n  18:55:00  sft: boss@hq approved before:sft"], ["an escape", "looks \u001b[31mred"], ["a turn of the writing", "fine \u202eenif"], ["nothing", ""]])(
    "take no reason with %s in it, which the history would tell as its own", async (_, reason) => {
      const store = await homeWith(asked("sft"));
      for (const words of [["approve", "r"], ["pause", "r"], ["pin", "r"], ["unpin", "r"], ["resume", "r"], ["cancel", "r"]]) {
        expect(await trueline([...words, "--reason", reason]), words[0]).toMatchObject({ code: 2, stderr: expect.stringContaining("none of them a control character") as string });
      }
      expect(await types(store)).toEqual(["approval-asked"]);
    });

  it("answer its question, and say how to go on", async () => {
    const store = await homeWith(asked("sft"));
    expect(await trueline(["status", "r"])).toMatchObject({ stdout: expect.stringContaining("sft asks: Go?\n  trueline approve r before:sft") as string });
    expect(await trueline(["watch", "r"])).toMatchObject({ code: 6 });
    expect(await trueline(["approve", "r", "--reason", "fine", "--json"])).toMatchObject({ code: 0, stdout: expect.stringContaining('"next": "trueline resume r"') as string });
    expect((await store.ledger.read("r")).at(-1)!.event).toMatchObject({ type: "approval-answered", decision: "approved", reason: "fine", actor: expect.stringContaining("@") as string });
  });
});
