import type { Backend, ForwardRequest } from "../backends/backend.js";
import { randomAt } from "../foundation/random.js";
import { offsetsOf, type Experience } from "./experience.js";
import type { ScoreBatch } from "./rewards/reward.js";
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
  readonly reference?: { readonly model: string } & Pick<ForwardRequest, "adapter">;
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
}

/** One iteration's answers: what the tricks read, and what the metrics say of them. */
export interface Rollouts extends Experience {
  /** Indices of the prompts' rows. */
  readonly prompts: readonly number[];
  /** The answers' tokens, the end token included. */
  readonly answers: readonly Int32Array[];
  /** Normalised scores before the penalty for a missing end; rows. */
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
  const { maxNewTokens, temperature, topP, topK, repetitionPenalty, endTokens } = settings;
  const drawn = prompts.at(iteration);
  const random = randomAt(settings.seed, "rollout", iteration);
  const generated = await backend.generate(models.policy, {
    prompts: drawn.map(({ tokens }) => tokens),
    maxNewTokens, temperature, topP, topK, repetitionPenalty, endTokens,
    uniforms: Float32Array.from({ length: drawn.length * maxNewTokens }, () => random.uniform()),
  });

  const sequences = drawn.map(({ tokens }, row) => concatenate(tokens, generated.tokens[row]!));
  const targets = drawn.map(({ tokens }, row) => Int32Array.from(generated.tokens[row]!, (_, index) => tokens.length + index));
  const batch = { sequences, targets };
  const policyLogProbabilities = flatten(generated.logProbabilities);
  const sampled = generated.sampledLogProbabilities && flatten(generated.sampledLogProbabilities);

  const { values } = models.critic === undefined
    ? { values: new Float32Array(policyLogProbabilities.length) }
    : await backend.forward(models.critic, { batch, quantities: ["values"] });
  const sampledBatch = { ...batch, prompts: drawn.map(({ row }) => row), answers: generated.tokens, finished: generated.finished };
  const { scores: rawScores, metrics: rewardMetrics } = await score(sampledBatch);
  const reference = models.reference === undefined
    ? { logProbabilities: policyLogProbabilities }
    : await backend.forward(models.reference.model, { batch, quantities: ["logProbabilities"], temperature, adapter: models.reference.adapter });

  return {
    ...sampledBatch,
    offsets: offsetsOf(targets),
    policyLogProbabilities,
    referenceLogProbabilities: reference.logProbabilities!,
    values: values!,
    rawScores,
    scores: rawScores.map((score, row) => score - (generated.finished[row] ? 0 : settings.missingEndPenalty)),
    rewardMetrics,
    filterDiscrepancy: sampled ? meanDifference(sampled, policyLogProbabilities) : 0,
  };
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
