import type { ErrorEntry } from "./entry.js";

/** Faults of a spec. */
export const specErrors = {
  TL_SPEC_INVALID: {
    exit: 5, retry: false,
    meaning: "The spec has faults; each is listed with its place.",
    remedy: "Mend the places named, then `trueline validate` again.",
  },
  TL_SPEC_MISSING: {
    exit: 3, retry: false,
    meaning: "The spec's file is not there.",
    remedy: "Check the path.",
  },
  TL_SPEC_UNREADABLE: {
    exit: 5, retry: false,
    meaning: "The spec's file can't be read as UTF-8 text.",
    remedy: "Check what the path leads to, and its permissions.",
  },
  TL_SPEC_SYNTAX: {
    exit: 5, retry: false,
    meaning: "The spec is not JSON.",
    remedy: "Mend the place shown; comments and trailing commas are not JSON.",
  },
  TL_SPEC_DUPLICATE_KEY: {
    exit: 5, retry: false,
    meaning: "A key stands twice in one object, so that one of the two values would be lost.",
    remedy: "Remove or rename one of them.",
  },
  TL_SPEC_UNKNOWN_FIELD: {
    exit: 5, retry: false,
    meaning: "A field, trick or option does not exist where it is written.",
    remedy: "Take the spelling suggested, or see docs/spec.md.",
  },
  TL_SPEC_MISSING_FIELD: {
    exit: 5, retry: false,
    meaning: "A field that has no default is missing.",
    remedy: "Add it; the hint says what belongs there.",
  },
  TL_SPEC_WRONG_TYPE: {
    exit: 5, retry: false,
    meaning: "A value has another JSON type than the field takes.",
    remedy: "Write the type named.",
  },
  TL_SPEC_WRONG_VALUE: {
    exit: 5, retry: false,
    meaning: "A value has the right type and still can't be used: out of range, not among the choices, or at odds with another field.",
    remedy: "Write what the message allows.",
  },
  TL_SPEC_SECRET: {
    exit: 5, retry: false,
    meaning: "A key or password stands in the spec itself, which is kept, shown and shared. It is told nowhere.",
    remedy: "Set an environment variable of the workers to it, name the variable in `secret`, and change a key that others have seen.",
  },
  TL_SPEC_UNKNOWN_REFERENCE: {
    exit: 5, retry: false,
    meaning: "A name refers to nothing in the spec.",
    remedy: "Take the name suggested, or add the data entry, model or stage.",
  },
  TL_SPEC_WRONG_REFERENCE: {
    exit: 5, retry: false,
    meaning: "A name refers to something of another type than the field takes, such as a reward model where a policy belongs.",
    remedy: "Name something of the type asked for.",
  },
  TL_SPEC_CYCLE: {
    exit: 5, retry: false,
    meaning: "Stages wait for each other in a circle.",
    remedy: "Change one of the references on the circle.",
  },
  TL_SPEC_NAME_TAKEN: {
    exit: 5, retry: false,
    meaning: "A model and a stage have the same name, so that a reference could mean either.",
    remedy: "Rename one of them.",
  },
  TL_SPEC_DATA_USE: {
    exit: 5, retry: false,
    meaning: "A data entry's format can't serve the way it is used, such as plain text where pairs are needed.",
    remedy: "Name an entry of a format that the message lists.",
  },
  TL_SPEC_CONFLICT: {
    exit: 5, retry: false,
    meaning: "Settings of one stage contradict each other or need something that is not given.",
    remedy: "Follow the hint.",
  },
  TL_SPEC_TOKENIZERS: {
    exit: 5, retry: false,
    meaning: "Models that share tokens within a stage were built on different tokenizers.",
    remedy: "Derive policy, reference, reward model and critic from one tokenizer.",
  },
} as const satisfies Record<string, ErrorEntry>;
