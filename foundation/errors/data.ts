import type { ErrorEntry } from "./entry.js";

/** Errors of data entries and their files. */
export const dataErrors = {
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
    meaning: "A data file is there but can't be read: permissions, no regular file, damaged compression or structure, or past the size limits.",
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
  TL_DATA_GOLD: {
    exit: 1, retry: false,
    meaning: "A gold scorer was asked about a prompt that is not of its task.",
    remedy: "Leave `gold` out for other data, or name the data that the scorer knows.",
  },
  TL_DATA_ENTRY_UNKNOWN: {
    exit: 3, retry: false,
    meaning: "A command was asked about a data entry that no stage of the spec reads.",
    remedy: "Take the name suggested, or see the spec's `data`.",
  },
  TL_DATA_USE: {
    exit: 5, retry: false,
    meaning: "A data entry's format can't serve the stage that reads it.",
    remedy: "Name an entry whose format fits, or change the entry's `format`.",
  },
} as const satisfies Record<string, ErrorEntry>;
