import type { ErrorEntry } from "./entry.js";

/** Errors of what scores answers. */
export const rewardErrors = {
  TL_REWARD_MODULE: {
    exit: 1, retry: false,
    meaning: "A module that is to score answers can't be loaded, or does not export a function `reward`.",
    remedy: "Mend what the message names; docs/rewards.md shows what a module looks like.",
  },
  TL_REWARD_FAILED: {
    exit: 1, retry: false,
    meaning: "A module that scores answers threw, also in a timer or in a promise that nobody awaits, ended its thread or its process, or took more memory than its `memory` allows.",
    remedy: "Mend the module; the message holds the answer that it failed on and the place in its code where they are known.",
  },
  TL_REWARD_TIMEOUT: {
    exit: 1, retry: false,
    meaning: "A module that scores answers took longer for a batch than its `timeLimit`; its process was ended.",
    remedy: "Look for a loop or a promise that never ends, or raise `timeLimit` in the spec.",
  },
  TL_REWARD_SCORES: {
    exit: 1, retry: false,
    meaning: "What scores answers gave something else than one finite number for each.",
    remedy: "Mend the module or the server; the message holds what it gave, and for which answer.",
  },
  TL_REWARD_REFUSED: {
    exit: 1, retry: false,
    meaning: "A stage wants to run code of the user's, and its worker was started with `--no-modules`.",
    remedy: "Run it where modules are allowed, or name a reward model.",
  },
} as const satisfies Record<string, ErrorEntry>;
