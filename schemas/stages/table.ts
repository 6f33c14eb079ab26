import type { z } from "zod";
import { criticPretrainParameters } from "./critic-pretrain.js";
import { dpoParameters } from "./dpo.js";
import { evaluateParameters } from "./evaluate.js";
import { multipleChoiceParameters } from "./multiple-choice.js";
import { ppoParameters } from "./ppo.js";
import { preferencesParameters } from "./preferences.js";
import { pretrainParameters } from "./pretrain.js";
import { rewardAccuracyParameters } from "./reward-accuracy.js";
import { rewardModelParameters } from "./reward-model.js";
import { sftParameters } from "./sft.js";
import { tokenizerParameters } from "./tokenizer.js";

export type ArtifactType = "tokenizer" | "language-model" | "reward-model" | "value-model" | "preferences" | "report";
/** What a data entry can serve as. */
export type DataUse = "text" | "dialogues" | "pairs" | "prompts" | "questions";

/** An input that a stage names in a field: artifacts of one of `accepts`, or data that serves as `data`, from files or made by a stage. */
export type InputDeclaration =
  /** `rewards`: the field may also hold what is no artifact, or several terms. */
  | { readonly accepts: readonly ArtifactType[]; readonly optional?: boolean; readonly rewards?: true }
  | { readonly data: DataUse; readonly optional?: boolean; readonly many?: boolean };

/** Artifacts that are data, too: the format of their rows. */
export const artifactFormats = { preferences: "preference" } as const satisfies Partial<Record<ArtifactType, string>>;

export interface StageKindDeclaration<Schema extends z.ZodType = z.ZodType> {
  readonly parameters: Schema;
  /** Fields of the parameters that are references. Fields that hold an object instead of a name are no reference. */
  readonly inputs: Readonly<Record<string, InputDeclaration>>;
  readonly output: ArtifactType;
  /** Raised when the same parameters would give other bytes: it is part of the key. */
  readonly version: number;
  /** Whether the stage computes with models: its activity then starts a backend. */
  readonly backend: boolean;
  readonly timeouts: { readonly heartbeatSeconds: number; readonly attemptHours: number };
}

const training = { heartbeatSeconds: 60, attemptHours: 24 * 14 } as const;
const short = { heartbeatSeconds: 60, attemptHours: 24 } as const;
const languageModel = { accepts: ["language-model"] } as const;
const rewardModel = { accepts: ["reward-model"] } as const;
const reward = { ...rewardModel, rewards: true } as const;

/** The one place that knows which stage kinds there are. */
export const stageKinds = {
  tokenizer: {
    parameters: tokenizerParameters, version: 1, output: "tokenizer", backend: false, timeouts: short,
    inputs: { data: { data: "text", many: true } },
  },
  pretrain: {
    parameters: pretrainParameters, version: 1, output: "language-model", backend: true, timeouts: training,
    inputs: { model: languageModel, data: { data: "text", many: true } },
  },
  sft: {
    parameters: sftParameters, version: 1, output: "language-model", backend: true, timeouts: training,
    inputs: { model: languageModel, data: { data: "dialogues", many: true } },
  },
  "reward-model": {
    parameters: rewardModelParameters, version: 1, output: "reward-model", backend: true, timeouts: training,
    inputs: { model: languageModel, data: { data: "pairs", many: true } },
  },
  "critic-pretrain": {
    parameters: criticPretrainParameters, version: 1, output: "value-model", backend: true, timeouts: training,
    inputs: {
      policy: languageModel, reward, prompts: { data: "prompts", many: true },
      init: { accepts: ["reward-model", "value-model", "language-model"] },
    },
  },
  ppo: {
    parameters: ppoParameters, version: 1, output: "language-model", backend: true, timeouts: training,
    inputs: {
      policy: languageModel, reference: { ...languageModel, optional: true }, reward,
      heldOutReward: { ...rewardModel, optional: true },
      critic: { accepts: ["value-model", "reward-model", "language-model"], optional: true },
      prompts: { data: "prompts", many: true }, pretrainingData: { data: "text", optional: true, many: true },
    },
  },
  dpo: {
    parameters: dpoParameters, version: 1, output: "language-model", backend: true, timeouts: training,
    inputs: { policy: languageModel, reference: { ...languageModel, optional: true }, data: { data: "pairs", many: true } },
  },
  preferences: {
    parameters: preferencesParameters, version: 1, output: "preferences", backend: true, timeouts: training,
    inputs: { policy: languageModel, prompts: { data: "prompts", many: true }, reward: { ...reward, optional: true } },
  },
  evaluate: {
    parameters: evaluateParameters, version: 1, output: "report", backend: true, timeouts: training,
    inputs: {
      candidate: languageModel, baseline: languageModel, reward: { ...reward, optional: true },
      heldOutReward: { ...rewardModel, optional: true },
      prompts: { data: "prompts" }, pairs: { data: "pairs", optional: true },
    },
  },
  "reward-accuracy": {
    parameters: rewardAccuracyParameters, version: 1, output: "report", backend: true, timeouts: training,
    inputs: { reward: rewardModel, pairs: { data: "pairs", many: true } },
  },
  "multiple-choice": {
    parameters: multipleChoiceParameters, version: 1, output: "report", backend: true, timeouts: training,
    inputs: { model: languageModel, questions: { data: "questions" }, shots: { data: "questions", optional: true } },
  },
} as const satisfies Record<string, StageKindDeclaration>;

export type StageKind = keyof typeof stageKinds;
/** Complete parameters of a stage kind, defaults filled in. */
export type StageParameters<Kind extends StageKind = StageKind> = z.output<(typeof stageKinds)[Kind]["parameters"]>;
