import type { LedgerEntry } from "../schemas/events.js";

/** Seconds that attempts have computed for a stage's key. */
export interface Spent {
  /** All of it, where a result came of it. */
  readonly whole?: number;
  /** Up to each checkpoint, by step. */
  readonly upTo: ReadonlyMap<number, number>;
}

/**
 * What a run's attempts have spent, by stage key. A resumed attempt goes on counting from the checkpoint that it began with; what
 * an attempt did after its last checkpoint came to nothing and is not counted. Pure.
 */
export function timeSpent(entries: readonly LedgerEntry[]): Map<string, Spent> {
  const found = new Map<string, { whole?: number; upTo: Map<number, number>; began: number; before: number }>();
  for (const { at, event } of entries) {
    if (!("key" in event)) continue;
    const known = found.get(event.key);
    if (event.type === "stage-started") {
      const upTo = known?.upTo ?? new Map<number, number>();
      const before = event.resumedFrom === undefined ? 0 : upTo.get(event.resumedFrom) ?? 0;
      found.set(event.key, { upTo, began: Date.parse(at), before });
    } else if (event.type === "checkpoint-saved") {
      known?.upTo.set(event.step, known.before + (Date.parse(at) - known.began) / 1000);
    } else if (event.type === "stage-finished" && known !== undefined) {
      known.whole = known.before + event.seconds;
    }
  }
  return new Map([...found].map(([key, { whole, upTo }]) => [key, { ...(whole !== undefined && { whole }), upTo }]));
}

/** The most that a key's attempts have got to: a result, or else the last checkpoint. */
export function mostOf(spent: Spent | undefined): number {
  return spent?.whole ?? Math.max(0, ...spent?.upTo.values() ?? []);
}
