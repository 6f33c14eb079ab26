import type { LedgerEntry } from "../schemas/events.js";
import { entriesOf } from "./chronicle.js";

/** What somebody wants kept, whatever the policy of `gc`. */
export interface Pin {
  readonly run: string;
  /** One stage's artifact; undefined: all of the run. */
  readonly stage?: string;
  readonly actor: string;
  readonly at: string;
  readonly reason?: string;
}

/** The pins that a run's ledger tells of and that have not been taken away since. Pure. */
export function pinsOf(entries: readonly LedgerEntry[]): Pin[] {
  const pins = new Map<string | undefined, Pin>();
  for (const { run, at, event: { type, stage, actor, reason } } of entriesOf(entries, "pinned", "unpinned")) {
    if (type === "pinned") pins.set(stage, { run, at, actor, ...(stage !== undefined && { stage }), ...(reason !== undefined && { reason }) });
    else pins.delete(stage);
  }
  return [...pins.values()];
}
