import { WorkflowFailedError } from "@temporalio/client";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { planOf, plannedStage as stage } from "../store/home.js";
import { Stand } from "./stand.js";

let stand: Stand;
beforeAll(async () => { stand = await Stand.start(); }, 20 * 60_000);
afterAll(() => stand.end());
beforeEach(() => {
  stand.log.length = 0;
  stand.ends.length = 0;
});

async function failureOf(result: Promise<unknown>): Promise<unknown> {
  try {
    await result;
  } catch (error) {
    return error instanceof WorkflowFailedError ? error.cause : error;
  }
  throw new Error("it did not fail");
}

describe("the pipeline workflow", () => {
  it("starts a stage when those before it are finished, with their artifacts, and independent ones side by side", async () => {
    const run = await stand.submit(planOf(stage("a", [], "done"), stage("b", ["a"], "done"), stage("c", ["a"], "done"), stage("d", ["b", "c"], "done")));
    expect(Object.keys(await run.result() as object).sort()).toEqual(["a", "b", "c", "d"]);
    const at = (entry: string) => stand.log.indexOf(entry);
    expect(at("b begins after a")).toBeGreaterThan(at("a ends"));
    expect(Math.max(at("b begins after a"), at("c begins after a"))).toBeLessThan(Math.min(at("b ends"), at("c ends")));
    expect(at("d begins after b+c")).toBe(6);
    expect(stand.ends).toMatchObject([{ end: "finished", failures: [] }]);
  });

  it("goes on with branches that a failure does not concern, blocks those it does, and fails with every cause", async () => {
    const run = await stand.submit(planOf(
      stage("bad", [], "broken"), stage("after", ["bad"], "done"), stage("last", ["after"], "done"), stage("good", [], "done"),
      stage("worse", ["good"], "broken")));
    const failure = await failureOf(run.result());
    expect(failure).toMatchObject({ type: "TL_RUN_FAILED", message: expect.stringMatching(/bad: TL_TRAIN_DIVERGED loss is NaN\nworse: /) as string });
    expect(stand.log).toContain("good ends");
    expect(stand.log.filter((entry) => /^(after|last|bad ends)/.test(entry))).toEqual([]);
    expect(stand.log.filter((entry) => entry.startsWith("bad begins"))).toHaveLength(1);
    expect(stand.ends[0]).toMatchObject({ end: "failed", failures: [{ stage: "bad", hint: "Lower the learning rate." }, { stage: "worse" }] });
    expect(await run.query("stages")).toEqual({ bad: "failed", after: "blocked", last: "blocked", good: "finished", worse: "failed" });
  });

  it("tries a stage again after a fault that may pass", async () => {
    const run = await stand.submit(planOf(stage("a", [], "flaky")));
    await run.result();
    expect(stand.log.filter((entry) => entry.startsWith("a begins"))).toHaveLength(2);
  });

  it("when cancelled waits for stages to save, and starts no others", async () => {
    const run = await stand.submit(planOf(stage("a", [], "endless"), stage("b", ["a"], "done")));
    await stand.until("a begins after nothing");
    await run.cancel();
    expect(await failureOf(run.result())).toMatchObject({ name: "CancelledFailure" });
    expect(stand.log).toEqual(["a begins after nothing", "a saved"]);
    expect(stand.ends).toMatchObject([{ end: "cancelled" }]);
  });
});
