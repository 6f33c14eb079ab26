import type { Failure } from "../schemas/events.js";
import type { Progress } from "../schemas/progress.js";
import type { Plan } from "../schemas/plan.js";
import type { RunRecord } from "../store/runs.js";
import { summarize, type RunState, type StageSummary } from "../store/state.js";
import type { Store } from "../store/store.js";
import { Pipelines, type OpenStage, type WorkflowView } from "./client.js";
import { unattendedQueues } from "./attendance.js";
import { presentAddress } from "./connection.js";
import { runningServer } from "./embedded.js";

/**
 * `waiting`: nobody has begun it yet. `asking`: it can't go on before somebody has answered a question. `interrupted`: begun, neither
 * ended nor worked on; `resume` goes on with it.
 */
export type ObservedState = Exclude<RunState, "submitted"> | "waiting" | "asking" | "interrupted";

/** Whether the ledger has the run's end: nothing will happen to it unless somebody resumes it. */
export function hasEnded({ state }: Pick<ObservedRun, "state">): boolean {
  return state === "finished" || state === "failed" || state === "cancelled" || state === "paused";
}

/** Whether a run goes on by itself, or will once its question is answered. */
export function isWorkedOn({ state, unattended }: Pick<ObservedRun, "state" | "unattended">): boolean {
  return state === "running" || ((state === "waiting" || state === "asking") && unattended.length === 0);
}

/** Whether only a person can get the run on. */
export function waitsForPerson({ state, stages }: Pick<ObservedRun, "state" | "stages">): boolean {
  return state === "paused" || state === "asking" || (state === "interrupted" && stages.some((stage) => stage.question !== undefined));
}

export interface ObservedStage extends StageSummary {
  /** What a worker says it is doing now. */
  readonly progress?: Progress;
  /** Whether it could start and lies in a queue until a worker is free. */
  readonly queued?: boolean;
}

export interface ObservedRun {
  readonly id: string;
  readonly name: string;
  readonly state: ObservedState;
  readonly attempts: number;
  readonly submittedAt: string;
  readonly endedAt?: string;
  readonly plan: Plan;
  readonly stages: readonly ObservedStage[];
  /** Task queues on which the run's stages wait and nobody listens. */
  readonly unattended: readonly string[];
  /** What ended the run, where that could not be written to its ledger. */
  readonly failure?: Failure;
}

/** The run's state from its ledger and, where that leaves it open, from the server. `served`: queues that the caller sees to itself. */
export async function observe(store: Store, record: RunRecord, pipelines: Pipelines | undefined, served: readonly string[] = []): Promise<ObservedRun> {
  const plan = await store.runs.plan(record.id);
  const { state, stages, endedAt } = summarize(plan, await store.ledger.read(record.id));
  const isOpen = state === "submitted" || state === "running";
  const workflow = isOpen ? await pipelines?.view(record.id) : undefined;
  const silent = workflow?.open ? await unattendedQueues(store, openStages(plan, stages), pipelines!) : [];
  const unattended = silent.filter((queue) => !served.includes(queue));
  return {
    id: record.id, name: record.name, ...(workflow?.failure && { failure: workflow.failure }), attempts: record.attempts, submittedAt: record.submittedAt, endedAt, plan, unattended,
    state: isOpen ? openState(state, plan, stages, workflow, unattended) : state,
    stages: stages.map((stage) => withProgress(stage, workflow?.stages.find(({ name }) => name === stage.name))),
  };
}

/** Connects to the server that is there, if one is; starts nothing. */
export async function presentPipelines(home: string): Promise<Pipelines | undefined> {
  const address = await presentAddress(home);
  if (address === undefined) return undefined;
  try {
    return await Pipelines.connect(address);
  } catch (error) {
    // An embedded server ends with the last process that uses it, which may be just now.
    if (address.embedded && await runningServer(home) === undefined) return undefined;
    throw error;
  }
}

function openState(
  state: "submitted" | "running", plan: Plan, stages: readonly StageSummary[], workflow: WorkflowView | undefined, unattended: readonly string[],
): ObservedState {
  if (workflow === undefined || !workflow.open) return "interrupted";
  if (workflow.stages.length === 0 && stages.some(({ state: each }) => each === "asking")) return "asking";
  const queueOf = new Map(plan.stages.map(({ name, taskQueue }) => [name, taskQueue]));
  const lost = workflow.stages.filter(({ name }) => unattended.includes(queueOf.get(name) ?? ""));
  const isLeft = unattended.length > 0 && lost.length === workflow.stages.length;
  // A stage that a worker had taken, and no worker left: it was killed. One that none has taken yet only waits.
  if (isLeft && lost.some(({ started }) => started)) return "interrupted";
  return isLeft || state === "submitted" ? "waiting" : "running";
}

/** Stages that can be done now, or are being done. */
function openStages(plan: Plan, stages: readonly StageSummary[]): Plan["stages"] {
  const stateOf = new Map(stages.map(({ name, state }) => [name, state]));
  const isDone = (name: string) => ["finished", "reused"].includes(stateOf.get(name) ?? "");
  return plan.stages.filter(({ name, after }) => ["waiting", "running"].includes(stateOf.get(name) ?? "") && after.every(isDone));
}

function withProgress(stage: StageSummary, open: OpenStage | undefined): ObservedStage {
  if (open !== undefined && !open.started && open.failure !== undefined) return { ...stage, state: "waiting", failure: open.failure };
  if (open !== undefined && !open.started) return { ...stage, queued: true };
  if (open?.progress === undefined) return stage;
  return { ...stage, state: "running", progress: open.progress };
}
