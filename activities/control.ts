import { ApplicationFailureCategory } from "@temporalio/common";
import { canonicalJson } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import { deadlineActor, questionSchema, recordSchema, runEndSchema, type Orders, type Question, type RunEnd } from "../schemas/control.js";
import type { LedgerEntry, LedgerEvent } from "../schemas/events.js";
import { isOver, ordersOf } from "../store/orders.js";
import type { Store } from "../store/store.js";
import { failed } from "./ending.js";

// What a workflow does in a run's ledger. Local activities: none waits for a slot that a stage holds.

/** What has been asked of a run. */
export async function readOrders(store: Store, run: string): Promise<Orders> {
  return ordersOf(await store.ledger.read(run));
}

/**
 * Keeps a stage from being begun that its run no longer wants: the order that ends it, or its end, may have come into the ledger while no server was there
 * to tell the workflow. Errors: TL_RUN_OVER, upon which the workflow looks there.
 */
export async function refuseStopped(store: Store, run: string): Promise<void> {
  const { stop, paused } = await readOrders(store, run);
  if (stop === undefined && !paused) return;
  throw failed(new TruelineError("TL_RUN_OVER", `Run ${run} is to stop.`), ApplicationFailureCategory.BENIGN);
}

/**
 * Records the end of an attempt at a run; false where the ledger holds orders that the workflow does not know of, which it has
 * to look at before it ends. Done again after a lost answer, it adds nothing.
 */
export async function recordEnd(store: Store, input: unknown): Promise<boolean> {
  const runEnd = runEndSchema.parse(input);
  const { run, known } = runEnd;
  let isEnd = true;
  await store.ledger.extend(run, (entries) => {
    if (isOver(entries)) return [];
    isEnd = known === undefined || ordersOf(entries).count <= known;
    return isEnd ? [endEvent(runEnd)] : [];
  });
  return isEnd;
}

/** Asks people; gives false where nobody need be asked, because the stage has its result already. */
export async function ask(store: Store, input: unknown): Promise<boolean> {
  const { run, unlessDone, ...question } = questionSchema.parse(input);
  if (unlessDone && await store.results.find(question.key) !== undefined) return false;
  await store.ledger.extend(run, (entries) => isOver(entries) || isOpen(entries, question) ? [] : [{ type: "approval-asked", ...question }]);
  return true;
}

/** Rejects a question that nobody has answered in time; an answer that came at the last moment stands. */
export async function expire(store: Store, input: unknown): Promise<void> {
  const { run, gate, stage } = questionSchema.parse(input);
  await store.ledger.extend(run, (entries) => isOver(entries) || ordersOf(entries).answers[gate] !== undefined ? []
    : [{ type: "approval-answered", gate, stage, decision: "rejected", actor: deadlineActor, reason: "nobody answered in time" }]);
}

/**
 * Records what only the workflow knows; false where the run is over, whose workflow outlived its server: then nothing is told of it but what became of
 * notifications. Done again after a lost answer, it adds nothing.
 */
export async function record(store: Store, input: unknown): Promise<boolean> {
  const { run, event } = recordSchema.parse(input);
  const text = canonicalJson(event);
  let isWanted = true;
  await store.ledger.extend(run, (entries) => {
    isWanted = !isOver(entries) || event.type === "notification-failed";
    return !isWanted || canonicalJson(entries.at(-1)?.event ?? null) === text ? [] : [event];
  });
  return isWanted;
}

function endEvent({ end, failures, until }: RunEnd): LedgerEvent {
  switch (end) {
    case "failed": return { type: "run-failed", failures };
    case "paused": return { type: "run-paused", ...(until !== undefined && { until }) };
    case "finished": case "cancelled": return { type: `run-${end}` };
  }
}

/** Whether the question is the newest of its attempt at the run, so that it need not be asked again. */
function isOpen(entries: readonly LedgerEntry[], { gate, key }: Pick<Question, "gate" | "key">): boolean {
  const newest = entries.findLast(({ event }) => event.type === "run-resumed" || (event.type === "approval-asked" && event.gate === gate));
  return newest?.event.type === "approval-asked" && newest.event.key === key;
}
