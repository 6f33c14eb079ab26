import type { ErrorEntry } from "./entry.js";

/** Errors of the store. */
export const storeErrors = {
  TL_STORE_FULL: {
    exit: 1, retry: true,
    meaning: "The disk that holds the store is full, or a quota is used up.",
    remedy: "Free some space, or move the folder and point TRUELINE_HOME at it; the stage goes on from its checkpoint.",
  },
  TL_STORE_DENIED: {
    exit: 1, retry: false,
    meaning: "The store can't be where it is asked to be: read-only file system, missing rights, or a file where a folder belongs.",
    remedy: "Point TRUELINE_HOME at a folder that may be written.",
  },
  TL_STORE_CORRUPT: {
    exit: 1, retry: false,
    meaning: "Files of the store are not what their manifest or the ledger's chain says.",
    remedy: "`trueline verify` lists what has changed; restore it from a backup, or remove it to have it made again.",
  },
  TL_STORE_MISSING: {
    exit: 3, retry: false,
    meaning: "The store does not hold what was asked for.",
    remedy: "`trueline runs` lists what there is; TRUELINE_HOME says in which folder.",
  },
  TL_STORE_LOCKED: {
    exit: 1, retry: true,
    meaning: "Another process has held a lock of the store for too long.",
    remedy: "Wait for it; if no Trueline process runs, remove the lock file that the message names.",
  },
  TL_STORE_SUPERSEDED: {
    exit: 4, retry: false,
    meaning: "A newer attempt has taken the stage over, so this one may write nothing more.",
    remedy: "Nothing: the newer attempt goes on.",
  },
} as const satisfies Record<string, ErrorEntry>;
