import {
  ActivityCancellationType, ApplicationFailure, CancellationScope, CancelledFailure, defineQuery, isCancellation, proxyActivities,
  proxyLocalActivities, setHandler,
} from "@temporalio/workflow";
import type { PlannedStage } from "../schemas/plan.js";
import type { PipelineInput, RunEnd, StageOutcome, StageState, StageTask } from "../schemas/task.js";
import { failureOf } from "./failure.js";

type Stages = Readonly<Record<string, (task: StageTask) => Promise<StageOutcome>>>;

/** The state of every stage, by name. */
export const stagesQuery = defineQuery<Readonly<Record<string, StageState>>>("stages");

// Local, so that a run's end does not wait for a slot that another run's stage holds.
const { "close-run": closeRun } = proxyLocalActivities<{ "close-run": (end: RunEnd) => Promise<void> }>({
  startToCloseTimeout: "1 minute", retry: { maximumAttempts: 20, maximumInterval: "1 minute" },
});

/**
 * Walks a frozen plan: each stage starts when those before it are finished, independent ones side by side. A failed stage
 * blocks only what comes after it. It knows stages by name and kinds not at all.
 */
export async function pipeline({ run, plan }: PipelineInput): Promise<Readonly<Record<string, StageOutcome>>> {
  const states: Record<string, StageState> = {};
  const outcomes: Record<string, StageOutcome> = {};
  const failures: RunEnd["failures"] = [];
  setHandler(stagesQuery, () => states);

  const walk = async (stage: PlannedStage): Promise<void> => {
    states[stage.name] = "waiting";
    await Promise.all(stage.after.map((name) => walks.get(name)));
    if (stage.after.some((name) => outcomes[name] === undefined)) {
      states[stage.name] = "blocked";
      return;
    }
    states[stage.name] = "started";
    try {
      const artifacts = Object.fromEntries(stage.after.map((name) => [name, outcomes[name]!.artifact]));
      outcomes[stage.name] = await attempt(stage, { run, stage, artifacts });
      states[stage.name] = "finished";
    } catch (error) {
      states[stage.name] = isCancellation(error) ? "cancelled" : "failed";
      if (!isCancellation(error)) failures.push({ stage: stage.name, ...failureOf(error) });
    }
  };
  // A plan lists stages after those they depend on.
  const walks = new Map<string, Promise<void>>();
  for (const stage of plan.stages) walks.set(stage.name, walk(stage));
  await Promise.all(walks.values());

  const cancelled = CancellationScope.current().consideredCancelled;
  const end = failures.length > 0 ? "failed" : cancelled ? "cancelled" : "finished";
  await CancellationScope.nonCancellable(() => closeRun({ run, end, failures }));
  switch (end) {
    case "finished": return outcomes;
    case "cancelled": throw new CancelledFailure(`Run ${run} was cancelled`);
    case "failed": {
      const message = failures.map((failure) => `${failure.stage}: ${failure.code} ${failure.message}`).join("\n");
      throw ApplicationFailure.create({ type: "TL_RUN_FAILED", message, nonRetryable: true, details: [failures] });
    }
  }
}

/** Does a stage by the activity named as its kind, on the queue and with the timeouts that the plan states. */
async function attempt(stage: PlannedStage, task: StageTask): Promise<StageOutcome> {
  const kinds = proxyActivities<Stages>({
    taskQueue: stage.taskQueue,
    heartbeatTimeout: stage.timeouts.heartbeatSeconds * 1000,
    startToCloseTimeout: stage.timeouts.attemptHours * 3600_000,
    // Faults alone get here: errors that would repeat are marked as not to be retried where they arise.
    retry: { initialInterval: "2 seconds", maximumInterval: "2 minutes", maximumAttempts: 10 },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    summary: stage.name,
    activityId: stage.name,
  });
  return kinds[stage.kind]!(task);
}
