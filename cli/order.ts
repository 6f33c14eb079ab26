import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import type { LedgerEntry, LedgerEvent } from "../schemas/events.js";
import { oneLinePattern } from "../foundation/text.js";
import { isOver } from "../store/orders.js";
import type { Store } from "../store/store.js";
import type { Pipelines } from "../temporal/client.js";
import { observe, presentPipelines, type ObservedRun } from "../temporal/observe.js";
import { actor } from "./actor.js";
import type { OptionDefinition } from "./command.js";
import { openStore } from "./store.js";

/** A run as it is now, and what is needed to ask something of it. */
export interface Target {
  readonly store: Store;
  readonly run: ObservedRun;
  readonly pipelines: Pipelines | undefined;
}

/** Does `work` with a run and the server that is there, if one is. Errors: TL_STORE_MISSING for an unknown run. */
export async function withRun<T>(id: string, work: (target: Target) => Promise<T>): Promise<T> {
  const store = openStore();
  const record = await store.runs.read(id);
  const pipelines = await presentPipelines(store.home);
  try {
    return await work({ store, run: await observe(store, record, pipelines), pipelines });
  } finally {
    await pipelines?.close();
  }
}

/**
 * Gives orders to a run: the ledger has them first, then its workflow is told to look there. `decide` is given the events so far;
 * what it makes of them is recorded with nothing in between.
 */
export async function order(
  { store, run, pipelines }: Target, decide: (entries: readonly LedgerEntry[]) => readonly LedgerEvent[],
): Promise<readonly LedgerEvent[]> {
  const given = await store.ledger.extend(run.id, decide);
  await pipelines?.nudge(run.id);
  return given;
}

/** Refuses what can't be asked of a run that has ended. Errors: TL_RUN_OVER. */
export function refuseEnded(run: ObservedRun, entries: readonly LedgerEntry[]): void {
  if (!isOver(entries)) return;
  throw new TruelineError("TL_RUN_OVER", run.state === "paused" ? `Run ${run.id} is paused already: \`trueline unpause ${run.id}\` goes on.` : `Run ${run.id} has ended: \`trueline status ${run.id}\` says how.`);
}

/** Whether nobody is there to carry an order out: the ledger alone then says how the run ends. */
export function isAbandoned({ state, unattended }: ObservedRun): boolean {
  return state === "interrupted" || (state !== "running" && unattended.length > 0);
}

/** Who asks, and why, for the ledger. */
export function by(reason: string | undefined): { actor: string; reason?: string } {
  return { actor: actor(), ...(reason !== undefined && { reason }) };
}

export const reasonOption = {
  flags: "--reason <text>", summary: "why, for the run's history",
  // What is told in lines must not make lines of its own, nor speak to terminals.
  schema: z.string().regex(oneLinePattern, "a line of 1 to 500 characters, none of them a control character").optional(),
} satisfies OptionDefinition;
