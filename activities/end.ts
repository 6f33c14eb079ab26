import type { LedgerEvent } from "../schemas/events.js";
import { runEndSchema } from "../schemas/task.js";
import type { Store } from "../store/store.js";

/** Records a run's end in its ledger. Done again after a lost answer, it adds nothing. */
export async function recordEnd(store: Store, input: unknown): Promise<void> {
  const { run, end, failures } = runEndSchema.parse(input);
  const event: LedgerEvent = end === "failed" ? { type: "run-failed", failures } : { type: `run-${end}` };
  const last = (await store.ledger.read(run)).at(-1)?.event;
  if (last?.type !== event.type) await store.ledger.append(run, event);
}
