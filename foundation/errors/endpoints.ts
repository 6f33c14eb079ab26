import type { ErrorEntry } from "./entry.js";

/** Errors of servers that a spec names: what is notified, what scores and what judges. */
export const endpointErrors = {
  TL_NOTIFY_SECRET: {
    exit: 1, retry: false,
    meaning: "A notification was not sent: the environment variable with its signing secret is not set on the worker, or is no secret.",
    remedy: "Set the variable to `whsec_` and base64 where workers run, or leave `secret` out of the spec to send unsigned.",
  },
  TL_ENDPOINT_SECRET: {
    exit: 1, retry: false,
    meaning: "A server that a stage asks needs a key, and the environment variable that should hold it is not set on the worker, or holds no token.",
    remedy: "Set the variable that the message names where workers run; the spec holds its name alone.",
  },
  TL_ENDPOINT_FORBIDDEN: {
    exit: 1, retry: false,
    meaning: "A spec names a server that the worker may not call: its environment variable TRUELINE_ENDPOINTS lists others.",
    remedy: "Add the host to TRUELINE_ENDPOINTS where workers run, or name a server that is listed.",
  },
  TL_ENDPOINT_REFUSED: {
    exit: 1, retry: false,
    meaning: "A server refuses what a stage asks it: the key, the address or the request is wrong.",
    remedy: "The message holds what the server says; mend the settings in the spec, or the key on the worker.",
  },
  TL_ENDPOINT_UNREACHABLE: {
    exit: 1, retry: true,
    meaning: "A server that a stage asks can't be reached, is overloaded or fails, as often as it was tried.",
    remedy: "Look whether it is up and how many requests it allows; the stage goes on from its checkpoint.",
  },
  TL_ENDPOINT_ANSWER: {
    exit: 1, retry: false,
    meaning: "A server's answer is not what its interface promises: no JSON, another form, too long, or without what was asked for.",
    remedy: "Look at the address in the spec and at what the message shows of the answer.",
  },
} as const satisfies Record<string, ErrorEntry>;
