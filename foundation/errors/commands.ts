import type { ErrorEntry } from "./entry.js";

/** Errors of single commands: what was asked of them, and what they read or write. */
export const commandErrors = {
  TL_INTERNAL: {
    exit: 1, retry: false,
    meaning: "Something happened that the program did not expect.",
    remedy: "Report it with the stack trace that `TRUELINE_DEBUG=1` prints.",
  },
  TL_USAGE: {
    exit: 2, retry: false,
    meaning: "The command line is wrong.",
    remedy: "See the command's `--help`.",
  },
  TL_RUN_STAGE_UNKNOWN: {
    exit: 3, retry: false,
    meaning: "A run has no stage of the name given.",
    remedy: "`trueline status RUN` lists the stages of a run.",
  },
  TL_RUN_STAGE_UNFINISHED: {
    exit: 3, retry: false,
    meaning: "A stage has no result yet, or its result is no longer in the store.",
    remedy: "Wait for it, or go on with `trueline resume RUN`.",
  },
  TL_OUTPUT_PLACE: {
    exit: 1, retry: false,
    meaning: "A file or folder that a command was asked for can't be written where it was asked for.",
    remedy: "Name a place in a folder that is there and may be written.",
  },
  TL_EXPORT_EXISTS: {
    exit: 4, retry: false,
    meaning: "The place to export to is taken; nothing is ever overwritten.",
    remedy: "Name a directory that does not exist yet, or remove the one that does.",
  },
  TL_EXPORT_HEAD: {
    exit: 2, retry: false,
    meaning: "An ONNX file for generation was asked for of a model that generates nothing: a reward or value model.",
    remedy: "Leave `--onnx` out, or export a stage that leaves a language model.",
  },
  TL_EVALUATION_STAGE: {
    exit: 2, retry: false,
    meaning: "A command that reads an evaluation's answers was given a stage of another kind, or one without the answers that it needs.",
    remedy: "Name a stage of kind evaluate, with what the message asks for.",
  },
  TL_VOTES_MISSING: {
    exit: 3, retry: false,
    meaning: "The file of votes is not there.",
    remedy: "Check the path; `trueline export-pairs` writes the file that people fill in.",
  },
  TL_VOTES_INVALID: {
    exit: 1, retry: false,
    meaning: "A file of votes has lines that are no votes on the evaluation's pairs, or votes twice. Nothing was imported.",
    remedy: "Mend the lines named, then import the file again.",
  },
  TL_VOTES_NONE: {
    exit: 3, retry: false,
    meaning: "Nobody has voted on an evaluation's answers yet.",
    remedy: "`trueline export-pairs` writes what people vote on, `trueline import-votes` counts what they say.",
  },
  TL_GENERATE_MODEL: {
    exit: 3, retry: false,
    meaning: "What was named to generate with is no language model: neither a directory of one nor a stage that left one.",
    remedy: "Name a Hugging Face directory, or RUN/STAGE with a stage of kind pretrain, sft or ppo.",
  },
  TL_GENERATE_PROMPT: {
    exit: 2, retry: false,
    meaning: "A prompt leaves no room for an answer in the model's context, or has no tokens at all.",
    remedy: "Shorten the prompt, or use a model with a longer context.",
  },
} as const satisfies Record<string, ErrorEntry>;
