import { z } from "zod";
import type { Message } from "../../data/types.js";
import type { Rollouts } from "../rollouts.js";
import type { Metrics } from "../trainer.js";

/** An answer as text, with what is known of it: what rewards that are no models score. */
export interface WrittenAnswer {
  /** The dialogue that is answered. */
  readonly prompt: readonly Message[];
  readonly answer: string;
  /** Whether it ended with an end token; false where it was cut at maxNewTokens. */
  readonly finished: boolean;
  /** Its end token included. */
  readonly tokens: number;
  /** Of the prompt's row. */
  readonly tags: Readonly<Record<string, string>>;
}

/** Scores answers by their text: a finite number each. */
export type TextScorer = (answers: readonly WrittenAnswer[]) => Promise<number[]>;

/** What a reward gets to see of an iteration. */
export type SampledBatch = Pick<Rollouts, "sequences" | "targets" | "prompts" | "answers" | "finished">;

/** What an iteration's answers are worth. */
export interface RewardScores {
  /** Normalised; rows. */
  readonly scores: Float64Array;
  readonly metrics: Metrics;
}

/** Scores the answers of an iteration. */
export type ScoreBatch = (batch: SampledBatch) => Promise<RewardScores>;

export const rewardStateSchema = z.strictObject({
  /** Scores that servers have given, by the digest of what they were asked; by term. */
  received: z.record(z.string(), z.record(z.string(), z.number())).optional(),
  /** Normalisations that were measured; by term. */
  normalization: z.record(z.string(), z.strictObject({ mean: z.number(), std: z.number() })).optional(),
});

/** What a resumed stage has to know of its reward. */
export type RewardState = z.output<typeof rewardStateSchema>;

export interface Reward {
  readonly score: ScoreBatch;
  /** Undefined where everything follows from the spec. */
  state(): RewardState | undefined;
}

/** An answer in a message, by its place and its first words. */
export function rowOf(answers: readonly WrittenAnswer[], row: number): string {
  const { prompt, answer } = answers[row]!;
  return `row ${row + 1} of ${answers.length} (the answer ${excerpt(answer)} to ${excerpt(prompt.at(-1)?.content ?? "")})`;
}

/** The start of a text, as JSON writes it. */
export function excerpt(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
