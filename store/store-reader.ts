import { stat } from "node:fs/promises";
import { join } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import type { LedgerEntry } from "../schemas/events.js";
import type { Plan } from "../schemas/plan.js";
import type { Store } from "./store.js";
import { planDigests } from "./verify-run.js";

export interface KnownRun {
  readonly run: string;
  readonly entries: readonly LedgerEntry[];
  /** All plans that it has had, ones that edited specs replaced included. */
  readonly plans: readonly Plan[];
}

/** Reads what the needs of runs follow from, as often as asked: a run again only once it has changed, results once. */
export class StoreReader {
  private readonly known = new Map<string, { readonly stamp: string; readonly run: KnownRun }>();
  private found: ReadonlyMap<string, string> | undefined;

  constructor(readonly store: Store) {}

  /** All runs as they are now, newest first. Errors: TL_STORE_CORRUPT where a ledger or a plan can't be read: what it needs is then unknown. */
  async runs(): Promise<KnownRun[]> {
    const { store, known } = this;
    const faults: TruelineError[] = [];
    for (const run of new Set([...await store.ledger.runs(), ...await store.runs.ids()])) {
      const stamp = await stampOf(store, run);
      if (known.get(run)?.stamp === stamp) continue;
      try {
        known.set(run, { stamp, run: await readRun(store, run) });
      } catch (error) {
        if (!(error instanceof TruelineError)) throw error;
        faults.push(error);
      }
    }
    if (faults.length > 0) {
      throw new TruelineError("TL_STORE_CORRUPT", faults.map(({ message }) => message).join("\n"), {
        hint: "Nothing was removed. `trueline verify` lists what is damaged.", cause: faults[0],
      });
    }
    const begun = ({ entries }: KnownRun): string => entries[0]?.at ?? "";
    return [...known.values()].map(({ run }) => run).sort((a, b) => begun(b).localeCompare(begun(a)) || b.run.localeCompare(a.run));
  }

  /** Artifacts of results by key, as they were at first: one that is published later has marked its artifact as used. */
  async results(): Promise<ReadonlyMap<string, string>> {
    if (this.found !== undefined) return this.found;
    const found = new Map<string, string>();
    for (const key of await this.store.results.keys()) {
      const result = await this.store.results.read(key);
      if (result !== undefined) found.set(key, result.artifact);
    }
    return this.found = found;
  }
}

/** Changes with a run's ledger, which only grows, and with the files of its plans. */
async function stampOf(store: Store, run: string): Promise<string> {
  const places = [store.ledger.path(run), join(store.runs.directory(run), "plans")];
  const found = await Promise.all(places.map((path) => stat(path, { bigint: true }).catch(() => undefined)));
  return found.map((place) => (place === undefined ? "none" : `${place.ino} ${place.size} ${place.mtimeNs}`)).join(", ");
}

async function readRun(store: Store, run: string): Promise<KnownRun> {
  try {
    const entries = await store.ledger.read(run);
    const [fault] = await store.ledger.verify(run);
    if (fault !== undefined) throw new TruelineError("TL_STORE_CORRUPT", `${store.ledger.path(run)}: ${fault}`);
    const plans: Plan[] = [];
    for (const digest of new Set([...planDigests(entries), ...await store.runs.planDigests(run)])) plans.push(await store.runs.plan(run, digest));
    return { run, entries, plans };
  } catch (error) {
    if (!(error instanceof TruelineError)) throw error;
    throw new TruelineError("TL_STORE_CORRUPT", `What run ${run} needs is not known: ${error.message}`, { cause: error });
  }
}
