import type { ErrorEntry } from "./entry.js";

/** Errors of calls across the backend boundary that no backend can answer. */
export const backendCallErrors = {
  TL_BACKEND_MODEL_UNKNOWN: {
    exit: 1, retry: false,
    meaning: "A backend was asked about a model it does not hold.",
    remedy: "Load the model under that name first; the message lists the names it holds.",
  },
  TL_BACKEND_REQUEST_INVALID: {
    exit: 1, retry: false,
    meaning: "A request to a backend contradicts itself: lengths that don't fit, targets outside their row, a setting out of range.",
    remedy: "Mend what the message names.",
  },
  TL_BACKEND_EXPRESSION_INVALID: {
    exit: 1, retry: false,
    meaning: "A loss or statistic is not well formed: it mixes tokens with rows, or has a term of constants alone.",
    remedy: "Give every term one domain; `take` moves values among rows only.",
  },
  TL_BACKEND_ROW_TOO_LONG: {
    exit: 1, retry: false,
    meaning: "A row of tokens, or a prompt with the tokens it may grow by, is longer than the model's context.",
    remedy: "Cut or drop longer rows, generate fewer tokens, or use a model with a longer context.",
  },
  TL_BACKEND_TOKEN_UNKNOWN: {
    exit: 1, retry: false,
    meaning: "A token id is outside the model's vocabulary.",
    remedy: "Encode the text with the model's own tokenizer.",
  },
  TL_BACKEND_QUANTITY_MISSING: {
    exit: 1, retry: false,
    meaning: "A model was asked for something its head does not compute, such as values of a language model.",
    remedy: "Load the model with the head that computes it; a reward model saved without an LM head has no log-probabilities.",
  },
  TL_BACKEND_NOT_TRAINABLE: {
    exit: 1, retry: false,
    meaning: "A training step, or optimizer state, was asked of a model that was loaded for reading only.",
    remedy: "Load the model as trainable.",
  },
  TL_BACKEND_HEAD_MISSING: {
    exit: 1, retry: false,
    meaning: "A model directory lacks the score or value head that was asked for, and no new one was to be made.",
    remedy: "Name a directory that has the head, or let the stage make a fresh one.",
  },
  TL_BACKEND_OPTIMIZER_MISSING: {
    exit: 1, retry: false,
    meaning: "A checkpoint's optimizer state is missing, or belongs to another model.",
    remedy: "Resume from a checkpoint that has it; training on without it would silently start the optimizer afresh.",
  },
  TL_BACKEND_CLOSED: {
    exit: 1, retry: false,
    meaning: "A backend was used after it was closed.",
    remedy: "Start a new backend.",
  },
} as const satisfies Record<string, ErrorEntry>;
