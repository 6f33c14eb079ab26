import type { Failure, LedgerEntry, LedgerEvent, WorkerIdentity } from "../schemas/events.js";
import type { Plan } from "../schemas/plan.js";

export type StageState = "waiting" | "running" | "reused" | "finished" | "failed" | "stopped" | "asking" | "held" | "stopped-early";
export type RunState = "submitted" | "running" | "paused" | "finished" | "failed" | "cancelled";

export interface StageSummary {
  readonly name: string;
  readonly kind: string;
  readonly key: string;
  readonly state: StageState;
  readonly artifact?: string;
  /** Seconds of the attempts of this run that finished or reused it; reuse takes none. */
  readonly seconds?: number;
  readonly figures?: Readonly<Record<string, number>>;
  /** Step of the newest checkpoint that was saved. */
  readonly checkpoint?: number;
  readonly worker?: WorkerIdentity;
  readonly failure?: Failure;
  /** Since when `gc` has taken the artifact out of the store. */
  readonly removed?: { readonly at: string; readonly actor: string; readonly reason?: string };
  /** The run whose result was reused. */
  readonly from?: string;
  /** What somebody has to decide before it goes on. */
  readonly question?: Question;
  /** Checkpoints that this attempt at the run could not use. */
  readonly skipped?: readonly { readonly step: number; readonly reason: string }[];
}

export interface Question {
  readonly gate: string;
  readonly text: string;
  /** When it counts as rejected. */
  readonly until?: string;
}

export interface RunSummary {
  readonly state: RunState;
  readonly stages: readonly StageSummary[];
  readonly startedAt?: string;
  readonly endedAt?: string;
}

/** Of a stage whose result counts no longer. */
const undone = { artifact: undefined, seconds: undefined, figures: undefined, from: undefined, removed: undefined } satisfies Partial<StageSummary>;

/** What a run's ledger amounts to. Pure. Whether a run that seems to go on is still worked on, a ledger can't tell. */
export function summarize(plan: Plan, entries: readonly LedgerEntry[]): RunSummary {
  let state: RunState = "submitted";
  let startedAt: string | undefined;
  let endedAt: string | undefined;
  const stages = new Map<string, StageSummary>(plan.stages.map(({ name, kind, key }) => [name, { name, kind, key, state: "waiting" }]));
  const change = (name: string, members: Partial<StageSummary>) => {
    const before = stages.get(name);
    if (before !== undefined) stages.set(name, { ...before, ...members });
  };
  for (const { event, at } of entries) {
    // What a stage did under an earlier plan of the run is no state of the stage as it is planned now.
    if ("key" in event && stages.get(event.stage)?.key !== event.key) continue;
    // A run that has ended is what it was, until somebody resumes it: attempts that were given up may still come to themselves.
    if (hasEnded(state) && !outlastsEnd(event)) continue;
    switch (event.type) {
      case "run-submitted":
        startedAt = at;
        break;
      case "run-resumed":
        state = "submitted";
        endedAt = undefined;
        for (const stage of stages.values()) {
          const isDone = (stage.state === "finished" || stage.state === "reused") && stage.removed === undefined;
          if (!isDone && stage.state !== "stopped-early") change(stage.name, { state: "waiting", failure: undefined, question: undefined, skipped: undefined, ...stage.removed !== undefined && undone });
        }
        break;
      case "stage-set-aside":
        change(event.stage, { state: "waiting", ...undone, checkpoint: undefined });
        break;
      case "artifact-removed":
        if (stages.get(event.stage)?.artifact === event.artifact) change(event.stage, { removed: { at, actor: event.actor, reason: event.reason } });
        break;
      case "stage-started":
        state = "running";
        change(event.stage, { state: "running", worker: event.worker, checkpoint: event.resumedFrom, failure: undefined });
        break;
      case "stage-reused":
        // A resumed run finds its own results: they keep their time.
        if (stages.get(event.stage)?.state === "finished" && stages.get(event.stage)?.removed === undefined) break;
        change(event.stage, { state: "reused", artifact: event.artifact, figures: event.figures, from: event.from, removed: undefined });
        break;
      case "stage-held":
        change(event.stage, { state: "held", checkpoint: event.step });
        break;
      case "sweep-halved":
        for (const stage of stages.values()) if (stage.state === "held") change(stage.name, { state: "waiting" });
        for (const { stage, key } of event.stopped) if (stages.get(stage)?.key === key) changeFrom(plan, stage, (name) => change(name, { state: "stopped-early" }));
        break;
      case "checkpoint-saved":
        change(event.stage, { checkpoint: event.step });
        break;
      case "stage-rolled-back":
        change(event.stage, { checkpoint: event.to });
        break;
      case "approval-asked": {
        const { gate, question: text, until } = event;
        change(event.stage, { state: "asking", question: { gate, text, ...(until !== undefined && { until }) } });
        break;
      }
      case "approval-answered":
        change(event.stage, { state: "waiting", question: undefined });
        break;
      case "retry-requested":
        if (stages.get(event.stage)?.state === "stopped-early") changeFrom(plan, event.stage, (name) => change(name, { state: "waiting" }));
        change(event.stage, { state: "waiting", failure: undefined });
        break;
      case "checkpoint-skipped":
        change(event.stage, { skipped: [...stages.get(event.stage)?.skipped ?? [], { step: event.step, reason: event.reason }] });
        break;
      case "guard-breached":
      case "pause-requested":
      case "unpause-requested":
      case "deadline-passed":
      case "notification-sent":
      case "notification-failed":
      case "pinned":
      case "unpinned":
      case "votes-imported":
      case "cancel-requested":
        break;
      case "stage-stopped":
        if (!isDone(stages.get(event.stage))) change(event.stage, { state: "stopped", checkpoint: event.checkpoint });
        break;
      case "stage-failed":
        // One that was given up says nothing of its successor.
        if (event.failure.code === "TL_STORE_SUPERSEDED" || isDone(stages.get(event.stage))) break;
        change(event.stage, { state: event.retry ? "waiting" : "failed", failure: event.failure });
        break;
      case "stage-finished":
        change(event.stage, { state: "finished", artifact: event.artifact, seconds: event.seconds, figures: event.figures, failure: undefined, removed: undefined });
        break;
      case "run-paused":
        [state, endedAt] = ["paused", at];
        break;
      case "run-cancelled":
        [state, endedAt] = ["cancelled", at];
        break;
      case "run-failed":
        [state, endedAt] = ["failed", at];
        for (const { stage, ...failure } of event.failures) change(stage, { state: "failed", failure });
        break;
      case "run-finished":
        [state, endedAt] = ["finished", at];
        break;
    }
  }
  return { state, stages: [...stages.values()], startedAt, endedAt };
}

/** Calls `change` with a stage and all that come after it. */
function changeFrom({ stages }: Plan, name: string, change: (name: string) => void): void {
  const found = new Set([name]);
  for (const stage of stages) if (stage.after.some((each) => found.has(each))) found.add(stage.name);
  for (const each of found) change(each);
}

function hasEnded(state: RunState): boolean {
  return state === "finished" || state === "failed" || state === "cancelled";
}

/** What still counts once a run has ended: what people ask for, and results, which other runs may use. */
function outlastsEnd({ type }: LedgerEvent): boolean {
  return type === "run-resumed" || type === "retry-requested" || type === "stage-set-aside" || type === "stage-finished" || type === "stage-reused" || type === "artifact-removed";
}

function isDone(stage: StageSummary | undefined): boolean {
  return stage?.state === "finished" || stage?.state === "reused";
}
