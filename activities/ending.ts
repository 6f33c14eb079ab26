import { ApplicationFailure, CancelledFailure, type ActivityCancellationDetails, type ApplicationFailureCategory } from "@temporalio/common";
import { TruelineError } from "../foundation/errors.js";
import type { LedgerEvent } from "../schemas/events.js";

export type StopCause = Extract<LedgerEvent, { type: "stage-stopped" }>["cause"];

/** Why Temporal or the worker asked an attempt to stop; why the workflow did, it is told. */
export function stopCause(details: ActivityCancellationDetails | undefined, ordered: StopCause): StopCause {
  if (details?.cancelRequested) return ordered;
  if (details?.paused) return "paused";
  if (details?.reset) return "reset";
  if (details?.workerShutdown) return "worker-shutdown";
  // The server no longer knows the attempt, or says it timed out: somebody else does the work now.
  return "timed-out";
}

/** What a stopped attempt throws: only a cancelled run ends; for all other causes another attempt continues. */
export function stopped(cause: StopCause): Error {
  switch (cause) {
    case "cancelled":
    case "paused":
    case "reset":
    case "deadline":
      return new CancelledFailure(`Stopped: ${cause}`);
    case "worker-shutdown":
    case "timed-out":
      return ApplicationFailure.create({ type: "TL_STAGE_STOPPED", message: `Stopped: ${cause}`, nonRetryable: false });
  }
}

/** What a failed attempt throws: Temporal retries it only if the registry says that such a fault may pass. A benign one is no trouble, and no worker's log speaks of it. */
export function failed(error: TruelineError, category?: ApplicationFailureCategory): ApplicationFailure {
  return ApplicationFailure.create({
    type: error.code, message: error.message, nonRetryable: !error.entry.retry, category,
    details: error.hint === undefined ? [] : [error.hint], ...(error instanceof Error && { cause: error }),
  });
}

/** Any error as one with a code. */
export function coded(error: unknown): TruelineError {
  if (error instanceof TruelineError) return error;
  return new TruelineError("TL_INTERNAL", error instanceof Error ? error.message : String(error), { cause: error });
}
