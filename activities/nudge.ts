import { getClient } from "@temporalio/activity";
import { lookSignal } from "../schemas/control.js";

/** Has a run's workflow look into the ledger now. It looks when the stage ends, too: a nudge that is lost costs time alone. */
export async function nudge(run: string): Promise<void> {
  await Promise.resolve().then(() => getClient().workflow.getHandle(run).signal(lookSignal)).catch(() => undefined);
}
