import type { ErrorEntry } from "./entry.js";

/** Errors of model directories. */
export const modelErrors = {
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
} as const satisfies Record<string, ErrorEntry>;
