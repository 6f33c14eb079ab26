import { log, proxyLocalActivities } from "@temporalio/workflow";
import type { ControlActivities, WorkflowRecord } from "../schemas/control.js";

/** A run's ledger, as a workflow reads and writes it. Local, so that nothing waits for a slot that another run's stage holds. */
export const controls = proxyLocalActivities<Omit<ControlActivities, "notify">>({
  startToCloseTimeout: "1 minute", retry: { maximumAttempts: 20, maximumInterval: "1 minute" }, localRetryThreshold: "5 seconds",
});

/** Tells the ledger, unless the run is over, which false says; should it not be writable for long, the run goes on all the same. */
export async function note(run: string, event: WorkflowRecord["event"]): Promise<boolean> {
  try {
    // Earlier versions gave nothing.
    return await controls.record({ run, event }) !== false;
  } catch (error) {
    log.warn("The ledger could not be written", { error });
    return true;
  }
}
