import type { ErrorEntry } from "./entry.js";

/** Errors of the Temporal server. */
export const serverErrors = {
  TL_TEMPORAL_UNAVAILABLE: {
    exit: 1, retry: true,
    meaning: "No Temporal server is configured or reachable, and none could be obtained.",
    remedy: "Set TEMPORAL_ADDRESS to a server that runs, or install the Temporal CLI (https://docs.temporal.io/cli) or Go.",
  },
  TL_TEMPORAL_PORT: {
    exit: 4, retry: false,
    meaning: "The port asked for is in use, or this home's server already runs on another.",
    remedy: "Name another port, or none: a free one is then taken.",
  },
  TL_TEMPORAL_START: {
    exit: 1, retry: false,
    meaning: "The embedded Temporal server ended while it was starting.",
    remedy: "Read server.log in the home; if temporal.db is damaged, remove it: runs resume from the store without it.",
  },
  TL_TEMPORAL_CONFIG: {
    exit: 2, retry: false,
    meaning: "Temporal's environment variables or profile can't be read.",
    remedy: "Mend the TEMPORAL_* variables or the profile file that the message names.",
  },
} as const satisfies Record<string, ErrorEntry>;
