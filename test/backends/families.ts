import type { ModelConfiguration } from "../../models/configuration.js";

/** What makes a small Llama into each family, and into each kind of position and window that is computed. */
export const families = {
  "llama with linear scaling": { ropeScaling: { kind: "linear", factor: 3 } },
  "llama with llama3 scaling": { ropeTheta: 40, ropeScaling: { kind: "llama3", factor: 4, lowFrequency: 1, highFrequency: 3, originalContext: 16 } },
  "llama with yarn scaling": {
    ropeScaling: { kind: "yarn", factor: 4, originalContext: 8, betaFast: 32, betaSlow: 1, truncate: true, attentionFactor: 1.14 },
  },
  "llama with dynamic scaling": { ropeScaling: { kind: "dynamic", factor: 2 } },
  mistral: { family: "mistral", window: { tokens: 3, layers: [0, 1] } },
  qwen2: { family: "qwen2", attentionBias: true },
  "qwen2 with a window in some layers": { family: "qwen2", attentionBias: true, window: { tokens: 2, layers: [1] } },
  qwen3: { family: "qwen3", headSize: 6, tiedEmbeddings: false },
  "qwen3 with biases": { family: "qwen3", attentionBias: true, outputBias: true },
  gpt2: { family: "gpt2", keyValueHeads: 4, headSize: 3, attentionBias: true, outputBias: true, mlpBias: true },
  "gpt2 with an LM head of its own": { family: "gpt2", keyValueHeads: 4, headSize: 3, attentionBias: true, outputBias: true, mlpBias: true, tiedEmbeddings: false },
} as const satisfies Readonly<Record<string, Partial<ModelConfiguration>>>;
