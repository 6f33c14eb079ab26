import type { ErrorEntry } from "./entry.js";

/** Errors of tokenizers and chat templates. */
export const tokenizerErrors = {
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
