import { ActivityFailure, ApplicationFailure, TimeoutFailure } from "@temporalio/workflow";
import type { StageFailure } from "../schemas/control.js";

/** What failed, from what Temporal wraps around it. */
export function failureOf(error: unknown): Omit<StageFailure, "stage"> {
  const cause = error instanceof ActivityFailure && error.cause !== undefined ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    const [hint] = cause.details ?? [];
    return { code: cause.type ?? "TL_INTERNAL", message: cause.message, ...(typeof hint === "string" && { hint }) };
  }
  if (cause instanceof TimeoutFailure) {
    return { code: "TL_STAGE_LOST", message: `No worker finished it: ${cause.message}`, hint: "`trueline resume` continues from its newest checkpoint." };
  }
  return { code: "TL_INTERNAL", message: cause instanceof Error ? cause.message : String(cause) };
}

/** Whether the ledger does not have the failure yet: an attempt that fails says so itself, all else only the workflow knows. */
export function isUnrecorded(error: unknown): boolean {
  return !(error instanceof ActivityFailure && error.cause instanceof ApplicationFailure);
}
