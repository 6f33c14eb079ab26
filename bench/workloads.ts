import type { ModelConfiguration } from "../models/configuration.js";
import { randomAt } from "../foundation/random.js";

export interface Workload {
  readonly kind: "training" | "sampling";
  readonly size: keyof typeof sizes;
  /** Rows to train on, or prompts. */
  readonly tokens: readonly Int32Array[];
  /** Tokens to sample behind each prompt. */
  readonly newTokens: number;
}

const common = {
  family: "llama", context: 512, ropeTheta: 10000, normEpsilon: 1e-5, tiedEmbeddings: true,
  attentionBias: false, outputBias: false, mlpBias: false, endTokens: [],
} as const;

/** Names are millions of parameters. */
export const sizes = {
  "5M": { ...common, vocabulary: 4096, hidden: 256, layers: 4, heads: 4, keyValueHeads: 4, headSize: 64, intermediate: 1024 },
  "47M": { ...common, vocabulary: 12288, hidden: 512, layers: 12, heads: 8, keyValueHeads: 8, headSize: 64, intermediate: 1536 },
} as const satisfies Record<string, ModelConfiguration>;

function workload(kind: Workload["kind"], size: Workload["size"], rows: number, length: number, newTokens = 0): Workload {
  const random = randomAt(1, kind, size);
  const row = () => Int32Array.from({ length }, () => random.integer(sizes[size].vocabulary));
  return { kind, size, newTokens, tokens: Array.from({ length: rows }, row) };
}

/** What is measured, by the names in the report. */
export const workloads: Readonly<Record<string, readonly Workload[]>> = {
  trainStepVsTorch: [workload("training", "5M", 16, 128), workload("training", "47M", 4, 256)],
  rolloutVsTransformers: [workload("sampling", "5M", 32, 32, 64), workload("sampling", "47M", 32, 32, 64)],
};
