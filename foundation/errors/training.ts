import type { ErrorEntry } from "./entry.js";

/** Errors of training: losses, guards, checkpoints, rows. */
export const trainingErrors = {
  TL_TRAIN_DIVERGED: {
    exit: 1, retry: false,
    meaning: "A loss or a gradient norm became infinite or not a number.",
    remedy: "Lower the learning rate or lengthen the warmup; checkpoints before that step are sound.",
  },
  TL_GUARD_BREACHED: {
    exit: 1, retry: false,
    meaning: "A guard of the spec stopped a stage: its metric went out of bounds.",
    remedy: "Look at the stage's metrics; then train otherwise, or change the guard and resume with the edited spec: the state is saved.",
  },
  TL_TRAIN_CANCELLED: {
    exit: 1, retry: false,
    meaning: "A stage was stopped on request after saving its state.",
    remedy: "Resume the run to continue from there.",
  },
  TL_TRAIN_CHECKPOINT: {
    exit: 1, retry: false,
    meaning: "A checkpoint's files are not those of the stage that should continue from it: another tokenizer, model, optimizer or stage.",
    remedy: "Restore the folder that belongs to the run, or compute the stage anew with `trueline resume RUN --from STAGE`.",
  },
  TL_DATA_TOO_LONG: {
    exit: 1, retry: false,
    meaning: "More rows than allowed are longer than the model's context or the stage's `maxTokens`.",
    remedy: "Raise `maxTokens` or the context, cut rows with `tooLong: \"cut\"`, or raise `maxTooLongShare`.",
  },
  TL_TRAIN_NOTHING: {
    exit: 1, retry: false,
    meaning: "No row is left that a stage could use.",
    remedy: "Check the data entry's `holdout` and the stage's row limits.",
  },
  TL_PREFERENCES_NONE: {
    exit: 1, retry: false,
    meaning: "A stage of kind preferences has sampled answers, and no two to the same training prompt differ enough in score to be a pair.",
    remedy: "Lower its `margin`, or raise `temperature` or `samples`; look at the policy's answers.",
  },
} as const satisfies Record<string, ErrorEntry>;
