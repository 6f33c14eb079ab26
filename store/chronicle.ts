import { TruelineError } from "../foundation/errors.js";
import type { LedgerEntry, LedgerEvent } from "../schemas/events.js";
import type { Plan } from "../schemas/plan.js";
import type { Store } from "./store.js";

/** What the store tells of a run. */
export interface Chronicle {
  readonly run: string;
  readonly entries: readonly LedgerEntry[];
  /** The plan that holds now; undefined where it can't be read. */
  readonly plan: Plan | undefined;
}

/** A run whose ledger can't be read, and why. */
export interface Unread {
  readonly run: string;
  readonly reason: string;
}

/** The ledgers of all runs, in the order of their first lines, newest first. */
export async function readChronicles(store: Store): Promise<{ readonly chronicles: Chronicle[]; readonly unread: Unread[] }> {
  const runs = [...new Set([...await store.ledger.runs(), ...await store.runs.ids()])];
  const chronicles: Chronicle[] = [];
  const unread: Unread[] = [];
  for (const run of runs) {
    try {
      chronicles.push({ run, entries: await store.ledger.read(run), plan: await unlessCoded(store.runs.plan(run)) });
    } catch (error) {
      if (!(error instanceof TruelineError)) throw error;
      unread.push({ run, reason: error.message });
    }
  }
  const begun = ({ entries }: Chronicle): string => entries[0]?.at ?? "";
  return { chronicles: chronicles.sort((a, b) => begun(b).localeCompare(begun(a)) || b.run.localeCompare(a.run)), unread };
}

async function unlessCoded<T>(found: Promise<T>): Promise<T | undefined> {
  return found.catch((error: unknown) => {
    if (error instanceof TruelineError) return undefined;
    throw error;
  });
}

type EventOf<Type extends LedgerEvent["type"]> = Extract<LedgerEvent, { type: Type }>;
type EntryOf<Type extends LedgerEvent["type"]> = Omit<LedgerEntry, "event"> & { readonly event: EventOf<Type> };

/** The entries whose events are of some types. */
export function entriesOf<Type extends LedgerEvent["type"]>(entries: readonly LedgerEntry[], ...types: readonly Type[]): EntryOf<Type>[] {
  const wanted: ReadonlySet<string> = new Set(types);
  return entries.filter((entry): entry is EntryOf<Type> => wanted.has(entry.event.type));
}

/**
 * Entries of several ledgers, oldest first. Within a ledger the order is that of its lines, whatever the time of day was set to
 * meanwhile: a line counts as no older than those before it. Pure.
 */
export function inOrder<Entry extends Pick<LedgerEntry, "run" | "sequence" | "at">>(entries: readonly Entry[]): Entry[] {
  const newest = new Map<string, string>();
  return [...entries].sort((a, b) => a.sequence - b.sequence).map((entry) => {
    const before = newest.get(entry.run) ?? "";
    const time = entry.at > before ? entry.at : before;
    newest.set(entry.run, time);
    return { entry, time };
  }).sort((a, b) => a.time.localeCompare(b.time)).map(({ entry }) => entry);
}
