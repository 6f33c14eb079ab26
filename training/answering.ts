import type { Backend } from "../backends/backend.js";
import type { PromptRow } from "../data/types.js";
import { randomAt } from "../foundation/random.js";
import type { Tokenizer } from "../models/tokenizer.js";
import type { Answer } from "../schemas/report.js";
import { scoreRows, encodeAnswer } from "./pairs.js";

/** A language model that answers, with the tokenizer it was trained with. */
export interface Answerer {
  readonly model: string;
  readonly tokenizer: Tokenizer;
}

export interface SamplingSettings {
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly repetitionPenalty: number;
  readonly maxNewTokens: number;
}

/** A sampled answer, still in tokens. */
export interface SampledAnswer {
  readonly answer: Answer;
  readonly prompt: PromptRow;
  /** Prompt and answer in the answerer's tokens. */
  readonly sequence: Int32Array;
  /** Indices of the answer's tokens. */
  readonly targets: Int32Array;
}

/** One answer to each prompt. `path` addresses the randomness; the same path gives the same answers. */
export async function sampleAnswers(
  backend: Backend, { model, tokenizer }: Answerer, prompts: readonly PromptRow[], settings: SamplingSettings,
  seed: number, path: readonly (string | number)[],
): Promise<SampledAnswer[]> {
  const { temperature, topP, topK, repetitionPenalty, maxNewTokens } = settings;
  const random = randomAt(seed, ...path);
  const encoded = prompts.map(({ messages }) => tokenizer.encodePrompt(messages));
  const { tokens, logProbabilities, finished } = await backend.generate(model, {
    prompts: encoded, endTokens: tokenizer.endTokens, temperature, topP, topK, repetitionPenalty, maxNewTokens,
    uniforms: Float32Array.from({ length: prompts.length * maxNewTokens }, () => random.uniform()),
  });
  return prompts.map((prompt, row) => ({
    prompt,
    sequence: Int32Array.from([...encoded[row]!, ...tokens[row]!]),
    targets: Int32Array.from(tokens[row]!, (_, index) => encoded[row]!.length + index),
    answer: {
      text: tokenizer.decode(tokens[row]!, { skipSpecial: true }),
      tokens: tokens[row]!.length,
      finished: finished[row]!,
      logProbability: sum(logProbabilities[row]!),
    },
  }));
}

/** Log-probability of each answer under `model`, summed over its tokens; the model must share the answerer's tokenizer. */
export async function answerLogProbabilities(
  backend: Backend, model: string, answers: readonly SampledAnswer[], temperature: number,
): Promise<number[]> {
  const batch = { sequences: answers.map(({ sequence }) => sequence), targets: answers.map(({ targets }) => targets) };
  const { logProbabilities } = await backend.forward(model, { batch, quantities: ["logProbabilities"], temperature });
  let end = 0;
  return answers.map(({ targets }) => sum(logProbabilities!.subarray(end, end += targets.length)));
}

/** A reward model with what turns its raw scores into normalised ones. */
export interface RewardScorer {
  readonly model: string;
  readonly tokenizer: Tokenizer;
  readonly normalization: { readonly mean: number; readonly std: number };
}

/**
 * Normalised scores of answers. A reward model with the answerer's tokenizer reads the very tokens that were sampled;
 * another reads the text in tokens of its own.
 */
export async function proxyScores(
  backend: Backend, { model, tokenizer, normalization }: RewardScorer, answers: readonly SampledAnswer[], sameTokenizer: boolean,
): Promise<number[]> {
  const rows = answers.map(({ sequence, prompt, answer }) =>
    (sameTokenizer ? sequence : encodeAnswer(tokenizer, prompt.messages, answer.text).tokens));
  const raw = await scoreRows(backend, model, rows, Math.max(1, rows.length));
  return raw.map((score) => (score - normalization.mean) / normalization.std);
}

function sum(values: Float32Array): number {
  return values.reduce((total, value) => total + value, 0);
}
