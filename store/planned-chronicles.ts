import type { Plan } from "../schemas/plan.js";
import { readChronicles, type Unread } from "./chronicle.js";
import type { Store } from "./store.js";
import type { PlannedChronicle } from "./trace.js";

/** Every run's ledger with all plans that the run has had, and the runs whose ledger can't be read. */
export async function readPlannedChronicles(store: Store): Promise<{ readonly chronicles: readonly PlannedChronicle[]; readonly unread: readonly Unread[] }> {
  const { chronicles, unread } = await readChronicles(store);
  const planned = await Promise.all(chronicles.map(async (chronicle) => {
    const plans = new Map<string, Plan>();
    for (const digest of await store.runs.planDigests(chronicle.run)) {
      const plan = await store.runs.plan(chronicle.run, digest).catch(() => undefined);
      if (plan !== undefined) plans.set(digest, plan);
    }
    return { ...chronicle, plans };
  }));
  return { chronicles: planned, unread };
}
