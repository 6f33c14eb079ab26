import { deadlineActor, type Answer, type Orders } from "../schemas/control.js";
import type { LedgerEntry, LedgerEvent } from "../schemas/events.js";

/**
 * Stages that have been set aside and not been begun since: a kill on the way may have left their results and checkpoints in
 * place. Pure.
 */
export function unfinishedAsides(entries: readonly LedgerEntry[]): readonly { readonly name: string; readonly key: string }[] {
  const begun = entries.findLastIndex(({ event: { type } }) => type === "run-submitted" || type === "run-resumed");
  const since = entries.slice(begun + 1).map(({ event }) => event);
  return since.flatMap((event, index) => event.type !== "stage-set-aside" || since.slice(index).some((later) => isBegun(later, event.key)) ? []
    : [{ name: event.stage, key: event.key }]);
}

function isBegun(event: LedgerEvent, key: string): boolean {
  return (event.type === "stage-started" || event.type === "stage-reused") && event.key === key;
}

/** Why a stage that the workflow cancels is to stop. */
export type OrderedStop = Extract<Extract<LedgerEvent, { type: "stage-stopped" }>["cause"], "cancelled" | "paused" | "deadline">;

/**
 * What people have asked of a run since its newest attempt began, from its ledger. Answers hold for all attempts, except that a
 * question which nobody answered in time may be asked again. Pure.
 */
export function ordersOf(entries: readonly LedgerEntry[]): Orders {
  let orders = { count: 0, paused: false, retries: new Map<string, number>(), breaches: [] as Orders["breaches"] };
  let isCancelled = false;
  let halved: Orders["halved"];
  const keys = new Map<string, string>();
  const answers = new Map<string, Answer>();
  for (const { event } of entries) {
    switch (event.type) {
      case "run-submitted":
      case "run-resumed":
        orders = { count: 0, paused: false, retries: new Map(), breaches: [] };
        isCancelled = false;
        forgetLate(answers);
        break;
      case "cancel-requested":
        isCancelled = true;
        break;
      case "pause-requested":
      case "unpause-requested":
        orders.paused = event.type === "pause-requested";
        orders.count += 1;
        break;
      case "retry-requested":
        forgetLate(answers, event.stage);
        halved = halved && { ...halved, stopped: halved.stopped.filter(({ stage }) => stage !== event.stage) };
        orders.retries.set(event.stage, (orders.retries.get(event.stage) ?? 0) + 1);
        orders.count += 1;
        break;
      case "approval-asked":
        if (answers.get(event.gate)?.key !== event.key) answers.delete(event.gate);
        keys.set(event.gate, event.key);
        break;
      case "approval-answered": {
        const { type: _type, gate, ...answer } = event;
        const key = keys.get(gate);
        if (key !== undefined) answers.set(gate, { ...answer, key });
        orders.count += 1;
        break;
      }
      case "guard-breached":
        orders.breaches.push({ stage: event.stage, message: `Guard ${event.guard}: ${event.metric} is ${event.value ?? "not a number"} after step ${event.step}, ${event.bound}.` });
        break;
      case "sweep-halved":
        halved = { step: event.step, stopped: [...halved?.stopped ?? [], ...event.stopped] };
        break;
      case "stage-set-aside":
        halved = halved && { ...halved, stopped: halved.stopped.filter(({ key }) => key !== event.key) };
        break;
      case "stage-started": case "stage-reused": case "checkpoint-saved": case "checkpoint-skipped": case "stage-stopped":
      case "stage-failed": case "stage-finished": case "stage-rolled-back": case "deadline-passed": case "notification-sent":
      case "notification-failed": case "artifact-removed": case "run-paused": case "run-cancelled": case "run-failed":
      case "run-finished": case "stage-held": case "pinned": case "unpinned": case "votes-imported":
        break;
    }
  }
  const stop = isOver(entries) ? "over" : isCancelled ? "cancelled" : undefined;
  return { ...orders, ...(stop !== undefined && { stop }), retries: Object.fromEntries(orders.retries), answers: Object.fromEntries(answers), ...(halved !== undefined && { halved }) };
}

/** Drops rejections for want of an answer, of one stage or of all: its question is asked again. */
function forgetLate(answers: Map<string, Answer>, stage?: string): void {
  for (const [gate, answer] of answers) {
    if (answer.actor === deadlineActor && (stage ?? answer.stage) === answer.stage) answers.delete(gate);
  }
}

/** A question that a run has asked. */
export interface AskedGate {
  readonly gate: string;
  readonly stage: string;
  /** The answer that counts, if there is one. */
  readonly answer: Answer | undefined;
}

/** All that a run has asked so far, the newest last. Pure. */
export function gatesOf(entries: readonly LedgerEntry[]): AskedGate[] {
  const { answers } = ordersOf(entries);
  const asked = new Map(entries.flatMap(({ event }) => event.type === "approval-asked" ? [[event.gate, event.stage] as const] : []));
  return [...asked].map(([gate, stage]) => ({ gate, stage, answer: answers[gate] }));
}

/** Why a stage is being cancelled, as far as the ledger knows: what was asked last. Pure. */
export function orderedStop(entries: readonly LedgerEntry[], stage: string): OrderedStop {
  let cause: OrderedStop = "cancelled";
  for (const { event } of entries) {
    if (event.type === "pause-requested") cause = "paused";
    else if (event.type === "deadline-passed" && (event.stage ?? stage) === stage) cause = "deadline";
    else if (event.type === "run-resumed" || event.type === "unpause-requested" || event.type === "cancel-requested") cause = "cancelled";
    else if (event.type === "retry-requested" && event.stage === stage) cause = "cancelled";
  }
  return cause;
}

/** Whether the ledger has an end of the run's newest attempt. Pure. */
export function isOver(entries: readonly LedgerEntry[]): boolean {
  const last = entries.findLast(({ event }) => lifeCycle.has(event.type));
  return last !== undefined && ends.has(last.event.type);
}

const ends: ReadonlySet<LedgerEvent["type"]> = new Set(["run-paused", "run-cancelled", "run-failed", "run-finished"]);
const lifeCycle: ReadonlySet<LedgerEvent["type"]> = new Set([...ends, "run-submitted", "run-resumed"]);
