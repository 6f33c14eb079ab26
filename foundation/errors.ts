import { attemptErrors } from "./errors/attempts.js";
import { backendCallErrors } from "./errors/backend-calls.js";
import { commandErrors } from "./errors/commands.js";
import { dataErrors } from "./errors/data.js";
import { endpointErrors } from "./errors/endpoints.js";
import type { ErrorEntry } from "./errors/entry.js";
import { modelErrors } from "./errors/models.js";
import { rewardErrors } from "./errors/rewards.js";
import { runControlErrors } from "./errors/run-control.js";
import { serverErrors } from "./errors/server.js";
import { specErrors } from "./errors/spec.js";
import { storeErrors } from "./errors/store.js";
import { tokenizerErrors } from "./errors/tokenizers.js";
import { trainingErrors } from "./errors/training.js";

/** Every error that Trueline raises by name, an area after the other. Codes are stable: never renamed, never reused. */
export const errorRegistry = {
  ...commandErrors,
  ...specErrors,
  ...dataErrors,
  ...modelErrors,
  ...backendCallErrors,
  ...storeErrors,
  ...trainingErrors,
  ...attemptErrors,
  ...serverErrors,
  ...runControlErrors,
  ...endpointErrors,
  ...rewardErrors,
  ...tokenizerErrors,
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorRegistry;

/** An error with a stable code. `message` says what was wrong here; `hint` says what would be right. */
export class TruelineError extends Error {
  override readonly name = "TruelineError";

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: { readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
  }

  get entry(): ErrorEntry {
    return errorRegistry[this.code];
  }

  get hint(): string | undefined {
    return this.details.hint;
  }
}
