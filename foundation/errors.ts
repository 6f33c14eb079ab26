/** What a failure means for a retry and for the exit code of a command. */
interface ErrorEntry {
  /** Exit code of a command that ends with it: 1 failed, 2 usage, 3 not found, 4 conflict, 5 invalid spec. */
  readonly exit: 1 | 2 | 3 | 4 | 5;
  /** True for faults that may pass by themselves (lost worker, full disk that was freed). */
  readonly retry: boolean;
  /** One sentence on what happened, in general, for docs/errors.md. */
  readonly meaning: string;
  /** What the person can do about it, in general, for docs/errors.md. */
  readonly remedy: string;
}

/** Every error that Trueline raises by name. Codes are stable: never renamed, never reused. */
export const errorRegistry = {
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
  TL_SPEC_INVALID: {
    exit: 5, retry: false,
    meaning: "The spec has faults; each is listed with its place.",
    remedy: "Mend the places named, then `trueline validate` again.",
  },
  TL_DATA_MISSING: {
    exit: 5, retry: false,
    meaning: "A data file or model directory that the spec names was not found.",
    remedy: "Put it beside the spec, or in the folder that `TRUELINE_DATA` names.",
  },
  TL_DATA_OUTSIDE: {
    exit: 5, retry: false,
    meaning: "A path in the spec leads out of the folders that a spec may read: by `..`, by a link, or because it is absolute.",
    remedy: "Move the file beside the spec, or allow its folder with `--allow-path DIR` and name it by its absolute path.",
  },
  TL_DATA_UNREADABLE: {
    exit: 5, retry: false,
    meaning: "A data file is there but can't be read: permissions, no regular file, damaged gzip, or past the size limits.",
    remedy: "Mend what the message names.",
  },
  TL_DATA_BAD_ROWS: {
    exit: 1, retry: false,
    meaning: "A larger share of a data file's rows is unreadable than its `maxBadShare` allows.",
    remedy: "Mend the lines named, check the entry's `format`, or raise its `maxBadShare`.",
  },
  TL_DATA_EMPTY: {
    exit: 1, retry: false,
    meaning: "A data file holds no usable row.",
    remedy: "Check that the path names the right file, and the entry's `format`.",
  },
  TL_DATA_USE: {
    exit: 5, retry: false,
    meaning: "A data entry's format can't serve the stage that reads it.",
    remedy: "Name an entry whose format fits, or change the entry's `format`.",
  },
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
