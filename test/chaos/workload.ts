const data = {
  documents: { format: "text", path: "sample/documents.jsonl.gz", holdout: 0.1 },
  dialogues: { format: "dialogue", path: "sample/dialogues.jsonl", holdout: 0.15 },
  preferences: { format: "preference", path: "sample/preferences.jsonl", holdout: 0.15 },
  prompts: { format: "prompt", path: "sample/prompts.jsonl", holdout: 0.15 },
};
const models = { nano: { architecture: "llama", layers: 2, hidden: 32, heads: 2, intermediate: 64, context: 96, tokenizer: "bpe" } };
const tokenizer = { kind: "tokenizer", data: "documents", vocabulary: 400 };

/** Every stage kind, with all the state that tricks keep, on a tiny model; checkpoints are nearly all it does. */
export const everyKind = {
  version: 1, name: "every-kind", seed: 5, data, models,
  stages: {
    bpe: tokenizer,
    base: { kind: "pretrain", model: "nano", data: "documents", steps: 60, batch: 16, length: 64, learningRate: 3e-3, checkpoint: { everySteps: 1 } },
    sft: { kind: "sft", model: "base", data: "dialogues", epochs: 1, batch: 32, learningRate: 1e-3, checkpoint: { everySteps: 1 } },
    rm: {
      kind: "reward-model", model: "sft", data: "preferences", epochs: 1, batch: 32, learningRate: 5e-4, lmCoefficient: 1, normalizeOn: 64,
      checkpoint: { everySteps: 3 },
    },
    critic: {
      kind: "critic-pretrain", policy: "sft", reward: "rm", init: "rm", prompts: "prompts", steps: 24, rollouts: 16, epochs: 1, learningRate: 3e-4,
      checkpoint: { everySteps: 2 },
    },
    ppo: {
      kind: "ppo", policy: "sft", reward: "rm", critic: "critic", prompts: "prompts", pretrainingData: "documents", preset: "ppo-max", steps: 40,
      rollouts: 16, minibatch: 8, maxNewTokens: 16, gold: "sample", tricks: { adaptiveKl: { target: 2, horizon: 200 } }, checkpoint: { everySteps: 1 },
    },
    eval: {
      kind: "evaluate", candidate: "ppo", baseline: "sft", reward: "rm", pairs: "preferences", prompts: "prompts", maxPrompts: 60,
      baselineSamples: 2, gold: "sample",
    },
  },
};

interface PretrainOptions {
  readonly steps: number;
  readonly everySteps?: number;
  readonly seed?: number;
}

/** A tokenizer, and a language model on it: the shortest thing that trains. */
export function pretraining({ steps, everySteps = 5, seed = 5 }: PretrainOptions) {
  return {
    version: 1, name: "pretraining", seed, data, models,
    stages: {
      bpe: tokenizer,
      base: { kind: "pretrain", model: "nano", data: "documents", steps, batch: 16, length: 64, learningRate: 3e-3, checkpoint: { everySteps } },
    },
  };
}

/** A training run long enough to be disturbed; how often it saves checkpoints changes no byte of it. */
export const training = pretraining({ steps: 300 });
