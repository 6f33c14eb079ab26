import type { ErrorEntry } from "./entry.js";

/** Errors of attempts at a stage: the processes that compute, the worker, the stage's inputs. */
export const attemptErrors = {
  TL_BACKEND_LOST: {
    exit: 1, retry: true,
    meaning: "The process that computes ended while an answer was due: killed from outside, or crashed.",
    remedy: "A retry continues from the last checkpoint; if it happens again at the same place, see the last lines of its output in the message.",
  },
  TL_BACKEND_OUT_OF_MEMORY: {
    exit: 1, retry: false,
    meaning: "The process that computes ran out of memory.",
    remedy: "Use a smaller batch, shorter sequences or a smaller model, or a machine with more memory.",
  },
  TL_BACKEND_NOT_FINITE: {
    exit: 1, retry: false,
    meaning: "A model's probabilities of the next token are not numbers, so that nothing can be sampled: its weights hold a NaN or overflow.",
    remedy: "Look at the curves of the stage that made the model; its checkpoints before the step at which they broke are sound.",
  },
  TL_BACKEND_PROVIDER_MISSING: {
    exit: 1, retry: false,
    meaning: "What a stage is to compute on is not on this machine: an execution provider of ONNX Runtime, a GPU for each process of the torch backend, or one for vLLM.",
    remedy: "Do as the hint says: install its libraries, give the stage to a worker that has GPUs, or leave it out.",
  },
  TL_BACKEND_PYTHON_MISSING: {
    exit: 1, retry: false,
    meaning: "The torch backend's Python, or a package that it needs, is not on this machine.",
    remedy: "Run the `pip install` line that the message shows, or name another interpreter in TRUELINE_PYTHON.",
  },
  TL_STAGE_STALLED: {
    exit: 1, retry: true,
    meaning: "The backend has not answered a call for longer than TRUELINE_STALL_SECONDS (default 3600).",
    remedy: "It is tried again from the newest checkpoint; set TRUELINE_STALL_SECONDS higher if steps really take that long.",
  },
  TL_STAGE_STOPPED: {
    exit: 1, retry: true,
    meaning: "An attempt at a stage was stopped because its worker shut down or was given up.",
    remedy: "Nothing: another attempt continues from the checkpoint.",
  },
  TL_STAGE_LOST: {
    exit: 1, retry: true,
    meaning: "The worker that did a stage was lost, as often as is retried.",
    remedy: "Look at the worker's log for what ended it, then `trueline resume`.",
  },
  TL_STAGE_INPUT_CHANGED: {
    exit: 4, retry: false,
    meaning: "A data file or model directory that the plan was made with has changed since.",
    remedy: "Restore it to resume this run as it was, or go on with what is there now by `trueline resume RUN --spec SPEC`.",
  },
} as const satisfies Record<string, ErrorEntry>;
