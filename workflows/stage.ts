import {
  ActivityCancellationType, ActivityFailure, ApplicationFailure, CancellationScope, isCancellation, proxyActivities, sleep, TimeoutFailure,
} from "@temporalio/workflow";
import type { PlannedStage } from "../schemas/plan.js";
import type { StageEnd, StageOutcome, StageRung, StageTask } from "../schemas/task.js";
import { gpusOf } from "../schemas/task-queue.js";
import { controls, note } from "./controls.js";
import { approvedOf, pass, type Gate } from "./gates.js";
import type { Notices } from "./notices.js";
import type { OrderBook } from "./orders.js";

type Kinds = Readonly<Record<string, (task: StageTask) => Promise<StageEnd>>>;

interface Surroundings {
  readonly run: string;
  readonly orders: OrderBook;
  readonly notices: Notices;
  /** Where the stage has to wait for others. */
  readonly rung: StageTask["rung"];
  /** Called when a person is waited for, and when it goes on. */
  readonly say: (state: "asking" | "started") => void;
}

/**
 * Does a stage: asks people where the spec says so, has it done by a worker, and asks again whenever it comes back with a
 * question. Errors: TL_APPROVAL_REJECTED, TL_STAGE_DEADLINE, and what the activity throws.
 */
export async function doStage(stage: PlannedStage, artifacts: StageTask["artifacts"], { run, orders, notices, rung, say }: Surroundings): Promise<StageOutcome | StageRung> {
  const through = (gate: Gate) => pass(run, stage, gate, orders, () => {
    say("asking");
    notices.tellQuestion(stage.name, gate.gate, gate.question);
  });
  if (stage.approval !== undefined) {
    const { question = `Shall ${stage.name} (${stage.kind}) start?`, withinSeconds } = stage.approval;
    await through({ gate: `before:${stage.name}`, question, withinSeconds, unlessDone: true });
  }
  for (;;) {
    say("started");
    const waived = approvedOf(stage, orders);
    const end = await withinDeadline(run, stage, () => attempt(stage, { run, stage, artifacts, ...(waived.length > 0 && { waived }), ...(rung !== undefined && { rung }) }));
    if (!("gate" in end)) return end;
    await through(end);
  }
}

/** Has a stage done by the activity named as its kind, by workers that have what it needs. */
async function attempt(stage: PlannedStage, task: StageTask): Promise<StageEnd> {
  if (stage.resources.gpus === 0) return attemptOn(stage.taskQueue, stage, task);
  for (let seconds = firstQueueSeconds; ; seconds = Math.min(longestQueueSeconds, seconds * 2)) {
    try {
      return await attemptOn(await placed(stage), stage, task, seconds * 1000);
    } catch (error) {
      // The workers that it was sent to, or that had it and left, are all gone or busy: there may be others by now.
      if (!(error instanceof ActivityFailure && error.cause instanceof TimeoutFailure && error.cause.timeoutType === "SCHEDULE_TO_START")) throw error;
    }
  }
}

const longestLookSeconds = 60;
/** How long a stage waits for the workers it was sent to before others are looked for; twice as long each time. */
const firstQueueSeconds = 10;
const longestQueueSeconds = 300;

/** Waits until there are workers with the GPUs that a stage needs; gives their queue. */
async function placed({ resources }: PlannedStage): Promise<string> {
  for (let seconds = 1; ; seconds = Math.min(longestLookSeconds, seconds * 2)) {
    const queue = await controls.place(gpusOf(resources));
    if (queue !== null) return queue;
    await sleep(seconds * 1000);
  }
}

/** The activity on a queue, with the timeouts that the plan states. */
async function attemptOn(taskQueue: string, stage: PlannedStage, task: StageTask, scheduleToStartTimeout?: number): Promise<StageEnd> {
  const kinds = proxyActivities<Kinds>({
    taskQueue, scheduleToStartTimeout,
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

/** Stops `work`, which saves its checkpoint, when the stage's deadline passes. The ledger says so first: an attempt looks there why it is to stop. */
async function withinDeadline(run: string, { name, deadlineSeconds: seconds }: PlannedStage, work: () => Promise<StageEnd>): Promise<StageEnd> {
  if (seconds === undefined) return work();
  let passed = false;
  const [working, clock] = [new CancellationScope(), new CancellationScope()];
  const alarm = clock.run(async () => {
    await sleep(seconds * 1000);
    await note(run, { type: "deadline-passed", stage: name, seconds });
    passed = true;
    working.cancel();
  }).catch((error: unknown) => { if (!isCancellation(error)) throw error; });
  try {
    return await working.run(work);
  } catch (error) {
    if (!passed || !isCancellation(error)) throw error;
    throw ApplicationFailure.create({
      type: "TL_STAGE_DEADLINE", nonRetryable: true, message: `It was not done within its deadline of ${seconds} s.`,
      details: ["Its checkpoint is saved: `trueline resume` goes on from there, with as much time again."],
    });
  } finally {
    clock.cancel();
    await alarm;
  }
}
