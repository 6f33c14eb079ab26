import type { ErrorEntry } from "./entry.js";

/** Errors of runs as a whole: their ends, and what a person may do to them. */
export const runControlErrors = {
  TL_RUN_FAILED: {
    exit: 1, retry: false,
    meaning: "One or more stages of a run failed; each cause is listed.",
    remedy: "Mend the cause, then `trueline resume RUN`: finished stages are kept, and the failed one goes on from its checkpoint.",
  },
  TL_RUN_EXISTS: {
    exit: 4, retry: false,
    meaning: "A run of that id is there already; two runs never share a ledger.",
    remedy: "`trueline resume RUN` goes on with it; submitting again makes a run with an id of its own.",
  },
  TL_RUN_ALIVE: {
    exit: 4, retry: false,
    meaning: "The run is still being worked on.",
    remedy: "`trueline watch RUN` follows it, `trueline cancel RUN` stops it.",
  },
  TL_RESUME_CHANGED: {
    exit: 4, retry: false,
    meaning: "Something that `resume --preview` showed is no longer as it was, or the run was resumed by somebody else meanwhile. Nothing was done.",
    remedy: "Look again with `trueline resume RUN --preview`, and carry out what it shows with its token.",
  },
  TL_RESUME_PIPELINE: {
    exit: 4, retry: false,
    meaning: "The spec that a run was to go on with is of another pipeline: its `name` differs.",
    remedy: "Name the run's own spec, or start the other pipeline with `trueline run`.",
  },
  TL_RUN_OVER: {
    exit: 4, retry: false,
    meaning: "The run has ended, so that can't be done to it.",
    remedy: "`trueline status RUN` says how it ended.",
  },
  TL_RUN_NOT_PAUSED: {
    exit: 4, retry: false,
    meaning: "A run is to go on after a pause, and is not paused.",
    remedy: "`trueline status RUN` says how to go on with it.",
  },
  TL_RUN_DEADLINE: {
    exit: 1, retry: false,
    meaning: "An attempt at a run took longer than the spec's `deadline` allows; its stages saved their checkpoints.",
    remedy: "`trueline resume RUN` goes on from the checkpoints, with as much time again.",
  },
  TL_STAGE_DEADLINE: {
    exit: 1, retry: false,
    meaning: "A stage took longer than its `deadline` allows, time in the queue included; its checkpoint is saved.",
    remedy: "`trueline retry RUN STAGE` or `trueline resume RUN` goes on from the checkpoint, with as much time again.",
  },
  TL_STAGE_NOT_FAILED: {
    exit: 4, retry: false,
    meaning: "Another try was asked for a stage that has not failed.",
    remedy: "`trueline resume RUN` goes on with a run as a whole.",
  },
  TL_APPROVAL_REJECTED: {
    exit: 4, retry: false,
    meaning: "Somebody rejected what the spec wants approved, or nobody answered in time.",
    remedy: "`trueline approve RUN` and then `trueline resume RUN` goes on after all.",
  },
  TL_APPROVAL_NONE: {
    exit: 4, retry: false,
    meaning: "A run was answered that asks nothing of that name.",
    remedy: "`trueline status RUN` shows what a run asks.",
  },
  TL_APPROVAL_SEVERAL: {
    exit: 2, retry: false,
    meaning: "A run asks several questions, and the answer does not say which it is for.",
    remedy: "Name the stage or the question, as the message lists them.",
  },
} as const satisfies Record<string, ErrorEntry>;
