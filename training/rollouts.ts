import type { Backend } from "../backends/backend.js";
import { randomAt } from "../foundation/random.js";
import { offsetsOf, type Experience } from "./experience.js";
import type { Reference } from "./reference.js";
import type { SampledBatch, ScoreBatch } from "./rewards/reward.js";
import type { Metrics } from "./trainer.js";

/** A prompt as the sampler takes it. `row` finds its text again. */
export interface EncodedPrompt {
  readonly tokens: Int32Array;
  readonly row: number;
}

/** The prompts of each iteration. */
export interface PromptSupply {
  at(iteration: number): readonly EncodedPrompt[];
}

/** The names under which the backend holds the models. */
export interface RolloutModels {
  readonly policy: string;
  /** Absent: the policy is its own reference (it is frozen). */
  readonly reference?: Reference;
  /** Absent: all values are 0, and nothing reads them. */
  readonly critic?: string;
}

export interface RolloutSettings {
  readonly seed: number;
  readonly maxNewTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly repetitionPenalty: number;
  readonly endTokens: readonly number[];
  /** Taken off the normalised score of an answer without an end token. */
  readonly missingEndPenalty: number;
  /** Taken off for each token of an answer above a number. */
  readonly lengthPenalty?: { readonly above: number; readonly perToken: number };
  /** Whether the critic's features are wanted. */
  readonly readsFeatures?: boolean;
}

/** One iteration's answers: what the tricks read, and what the metrics say of them. */
export interface Rollouts extends Experience {
  /** Indices of the prompts' rows. */
  readonly prompts: readonly number[];
  /** The answers' tokens, the end token included. */
  readonly answers: readonly Int32Array[];
  /** Normalised scores before the penalties for a missing end and for length; rows. */
  readonly rawScores: Float64Array;
  /** Mean over tokens of log-probability (filtered) − log-probability (unfiltered); 0 without top-k, top-p, repetition penalty. */
  readonly filterDiscrepancy: number;
  /** What the reward says beside the scores. */
  readonly rewardMetrics: Metrics;
}

/**
 * Samples an iteration's answers and looks at them through reference, critic and reward. Prompts and
 * sampling follow from seed and iteration alone. An answer ends at its
 * first end token; a reward model reads prompt and answer and scores the last real token.
 */
export async function sampleRollouts(
  backend: Backend, models: RolloutModels, score: ScoreBatch, prompts: PromptSupply, settings: RolloutSettings, iteration: number,
): Promise<Rollouts> {
  const { temperature } = settings;
  const { batch: answered, logProbabilities, sampledLogProbabilities } = await drawAnswers(backend, models.policy, prompts, settings, "rollout", iteration);
  const batch = { sequences: answered.sequences, targets: answered.targets };
  const policyLogProbabilities = flatten(logProbabilities);
  const sampled = sampledLogProbabilities && flatten(sampledLogProbabilities);

  const { values, features } = models.critic === undefined
    ? { values: new Float32Array(policyLogProbabilities.length) }
    : await backend.forward(models.critic, { batch, quantities: settings.readsFeatures ? ["values", "features"] : ["values"] });
  const { scores: rawScores, metrics: rewardMetrics } = await score(answered);
  const reference = models.reference === undefined
    ? { logProbabilities: policyLogProbabilities }
    : await backend.forward(models.reference.model, { batch, quantities: ["logProbabilities"], temperature, adapter: models.reference.adapter });

  return {
    ...answered,
    offsets: offsetsOf(answered.targets),
    policyLogProbabilities,
    referenceLogProbabilities: reference.logProbabilities!,
    values: values!,
    ...(features && { features }),
    rawScores,
    scores: rawScores.map((raw, row) => raw - penaltyOf(settings, answered.finished[row]!, answered.answers[row]!.length)),
    rewardMetrics,
    filterDiscrepancy: sampled ? meanDifference(sampled, policyLogProbabilities) : 0,
  };
}

/** What is taken off the score of an answer of so many tokens. */
function penaltyOf({ missingEndPenalty, lengthPenalty }: RolloutSettings, finished: boolean, tokens: number): number {
  const missingEnd = finished ? 0 : missingEndPenalty;
  return lengthPenalty === undefined ? missingEnd : missingEnd + lengthPenalty.perToken * Math.max(0, tokens - lengthPenalty.above);
}

interface DrawnAnswers {
  readonly batch: SampledBatch;
  readonly logProbabilities: readonly Float32Array[];
  readonly sampledLogProbabilities?: readonly Float32Array[];
}

/** One answer to each prompt of an iteration. Sampling follows from seed, purpose and iteration. */
export async function drawAnswers(
  backend: Backend, policy: string, prompts: PromptSupply, settings: RolloutSettings, purpose: string, iteration: number,
): Promise<DrawnAnswers> {
  const { maxNewTokens, temperature, topP, topK, repetitionPenalty, endTokens } = settings;
  const drawn = prompts.at(iteration);
  const random = randomAt(settings.seed, purpose, iteration);
  const { tokens: answers, logProbabilities, sampledLogProbabilities, finished } = await backend.generate(policy, {
    prompts: drawn.map(({ tokens }) => tokens),
    maxNewTokens, temperature, topP, topK, repetitionPenalty, endTokens,
    uniforms: Float32Array.from({ length: drawn.length * maxNewTokens }, () => random.uniform()),
  });

  const sequences = drawn.map(({ tokens }, row) => concatenate(tokens, answers[row]!));
  const targets = drawn.map(({ tokens }, row) => Int32Array.from(answers[row]!, (_, index) => tokens.length + index));
  return { batch: { sequences, targets, prompts: drawn.map(({ row }) => row), answers, finished }, logProbabilities, sampledLogProbabilities };
}

function concatenate(first: Int32Array, second: Int32Array): Int32Array {
  const joined = new Int32Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}

function flatten(rows: readonly Float32Array[]): Float32Array {
  const flat = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0));
  let at = 0;
  for (const row of rows) {
    flat.set(row, at);
    at += row.length;
  }
  return flat;
}

function meanDifference(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! - b[i]!;
  return a.length === 0 ? 0 : sum / a.length;
}
