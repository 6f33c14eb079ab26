import pc from "picocolors";
import { describe, expect, it } from "vitest";
import { runText } from "../../cli/run-view.js";
import { taskQueueFor } from "../../schemas/task-queue.js";
import type { ObservedRun } from "../../temporal/observe.js";
import { emptyStore, plannedStage, planOf } from "../store/home.js";

describe("the state of a stage that needs GPUs", () => {
  const resources = { gpus: 2, memory: "40GB" };
  const plan = planOf(plannedStage("sft"), { ...plannedStage("ppo", ["sft"]), resources, taskQueue: taskQueueFor(resources) });
  const shown = (change: Partial<ObservedRun>, upstream: "finished" | "running" = "finished") => {
    const stages = plan.stages.map(({ name, kind, key }) => ({ name, kind, key, state: name === "sft" ? upstream : "waiting" as const }));
    const run: ObservedRun = { id: "r", name: "r", state: "running", attempts: 1, submittedAt: "2026-01-01T00:00:00Z", plan, stages, unattended: [], ...change };
    return runText(run, emptyStore(), pc.createColors(false)).split("\n").find((line) => line.startsWith("ppo"))!.trimEnd();
  };

  it("says whom it waits for, and when it looks again", () => {
    expect(shown({})).toContain("waits for an idle worker with 2 GPUs with 40GB each; the next look is within 5 minutes");
    expect(shown({ state: "waiting", unattended: [taskQueueFor(resources)] })).toContain("waits for a worker with 2 GPUs with 40GB each; the next look is within a minute");
  });

  it("is waiting while what it needs is not there, or nothing works on the run", () => {
    expect(shown({}, "running")).toMatch(/ waiting$/);
    expect(shown({ state: "interrupted" })).toMatch(/ waiting$/);
  });
});
