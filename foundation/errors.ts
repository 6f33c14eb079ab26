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
  TL_MODEL_MISSING: {
    exit: 3, retry: false,
    meaning: "A model directory, or a file that it must have, is not there.",
    remedy: "Point to a Hugging Face directory with config.json and model.safetensors (or its shards and their index).",
  },
  TL_MODEL_CONFIGURATION: {
    exit: 1, retry: false,
    meaning: "A model's config.json has a field that is missing or makes no sense.",
    remedy: "Mend the field named, or take the directory from its source again.",
  },
  TL_MODEL_UNSUPPORTED: {
    exit: 1, retry: false,
    meaning: "A model needs something that the embedded backend does not compute, such as another architecture, or that nothing here does, such as quantized weights.",
    remedy: "What transformers loads unquantized, the torch backend computes: `\"resources\": {\"backend\": \"torch\"}` in the stage, or `trueline generate --backend torch`. Else use another model.",
  },
  TL_MODEL_FILE: {
    exit: 1, retry: false,
    meaning: "A safetensors file or its index is damaged or contradicts itself.",
    remedy: "Fetch or write the file again; nothing of it was used.",
  },
  TL_MODEL_TENSORS: {
    exit: 1, retry: false,
    meaning: "The tensors in a model directory are not those that its config.json promises.",
    remedy: "Use weights and config.json that belong together.",
  },
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
  TL_TEMPORAL_UNAVAILABLE: {
    exit: 1, retry: true,
    meaning: "No Temporal server is configured or reachable, and none could be obtained.",
    remedy: "Set TEMPORAL_ADDRESS to a server that runs, or install the Temporal CLI (https://docs.temporal.io/cli) or Go.",
  },
  TL_TEMPORAL_PORT: {
    exit: 4, retry: false,
    meaning: "The port asked for is in use, or this home's server already runs on another.",
    remedy: "Name another port, or none: a free one is then taken.",
  },
  TL_TEMPORAL_START: {
    exit: 1, retry: false,
    meaning: "The embedded Temporal server ended while it was starting.",
    remedy: "Read server.log in the home; if temporal.db is damaged, remove it: runs resume from the store without it.",
  },
  TL_TEMPORAL_CONFIG: {
    exit: 2, retry: false,
    meaning: "Temporal's environment variables or profile can't be read.",
    remedy: "Mend the TEMPORAL_* variables or the profile file that the message names.",
  },
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
  TL_REWARD_MODULE: {
    exit: 1, retry: false,
    meaning: "A module that is to score answers can't be loaded, or does not export a function `reward`.",
    remedy: "Mend what the message names; docs/rewards.md shows what a module looks like.",
  },
  TL_REWARD_FAILED: {
    exit: 1, retry: false,
    meaning: "A module that scores answers threw, ended its thread, or took more memory than its `memory` allows.",
    remedy: "Mend the module; the message holds the answer that it failed on and the place in its code where they are known.",
  },
  TL_REWARD_TIMEOUT: {
    exit: 1, retry: false,
    meaning: "A module that scores answers took longer for a batch than its `timeLimit`; its thread was ended.",
    remedy: "Look for a loop or a promise that never ends, or raise `timeLimit` in the spec.",
  },
  TL_REWARD_SCORES: {
    exit: 1, retry: false,
    meaning: "What scores answers gave something else than one finite number for each.",
    remedy: "Mend the module or the server; the message holds what it gave, and for which answer.",
  },
  TL_REWARD_REFUSED: {
    exit: 1, retry: false,
    meaning: "A stage wants to run code of the user's, and its worker was started with `--no-modules`.",
    remedy: "Run it where modules are allowed, or name a reward model.",
  },
  TL_TOKENIZER_MISSING: {
    exit: 3, retry: false,
    meaning: "A directory has no tokenizer.json.",
    remedy: "Save the tokenizer with transformers, which writes tokenizer.json, or name a directory that has one.",
  },
  TL_TOKENIZER_INVALID: {
    exit: 1, retry: false,
    meaning: "A tokenizer can't be used or trained: unsupported parts, no token for some text, or too small a vocabulary.",
    remedy: "Mend what the message names, or use a byte-level tokenizer.",
  },
  TL_TOKENIZER_VOCABULARY: {
    exit: 1, retry: false,
    meaning: "A model's vocabulary is smaller than its tokenizer's, so some tokens have no embedding.",
    remedy: "Use the tokenizer that the model was trained with.",
  },
  TL_CHAT_TEMPLATE: {
    exit: 1, retry: false,
    meaning: "A chat template is no Jinja, or refuses the messages (roles that must alternate, no system message).",
    remedy: "Change the messages to what the template takes, or the template.",
  },
  TL_CHAT_TEMPLATE_PREFIX: {
    exit: 1, retry: false,
    meaning: "A chat template renders the start of a dialogue otherwise than the whole, so answers can't be told from prompts.",
    remedy: "Use a template that only appends as a dialogue goes on.",
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
