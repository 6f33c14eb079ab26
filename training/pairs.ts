import type { Backend, StepPart } from "../backends/backend.js";
import {
  constant, greater, logProbabilities, logSigmoid, multiply, negate, perRow, perToken, scores, subtract, take, type Sum,
} from "../backends/expressions.js";
import { mapped, type Rows } from "../data/row-list.js";
import type { PairRow } from "../data/types.js";
import type { Tokenizer } from "../models/tokenizer.js";
import { inChunks } from "./batches.js";
import { mean } from "./experience.js";
import { batchOf, targetCount, type LanguageRow } from "./language-loss.js";
import { cutFirstExchange, type RowFitting } from "./row-limits.js";

/** Prompt and answer, twice; the targets are the tokens of the answer. */
export interface EncodedPair {
  readonly chosen: LanguageRow;
  readonly rejected: LanguageRow;
}

export function pairFitting(tokenizer: Tokenizer): RowFitting<PairRow, EncodedPair> {
  return {
    encode: (row) => ({ chosen: encodeAnswer(tokenizer, row.prompt, row.chosen), rejected: encodeAnswer(tokenizer, row.prompt, row.rejected) }),
    toTokens: ({ chosen, rejected }) => [chosen.tokens, chosen.targets, rejected.tokens, rejected.targets],
    fromTokens: ([chosen, chosenTargets, rejected, rejectedTargets]) => ({
      chosen: { tokens: chosen!, targets: chosenTargets! }, rejected: { tokens: rejected!, targets: rejectedTargets! },
    }),
    length: ({ chosen, rejected }) => Math.max(chosen.tokens.length, rejected.tokens.length),
    cut: (row) => {
      const prompt = cutFirstExchange(row.prompt);
      return prompt && { ...row, prompt };
    },
  };
}

/**
 * A prompt with an answer of the assistant, up to the answer's end token, which is the last a policy samples: scores of
 * pairs and of samples are read at the same place. Targets are the answer's tokens, not those of earlier turns.
 */
export function encodeAnswer(tokenizer: Tokenizer, prompt: PairRow["prompt"], answer: string): LanguageRow {
  const { tokens, targets } = tokenizer.encodeDialogue([...prompt, { role: "assistant", content: answer }]);
  const start = tokenizer.encodePrompt(prompt).length;
  return { tokens: tokens.slice(0, targets.at(-1)! + 1), targets: targets.filter((index) => index >= start) };
}

/**
 * Mean over pairs of −log σ(r_chosen − r_rejected), plus `lmCoefficient` times the mean negative log-likelihood of the
 * chosen answers' tokens. Rows: the chosen of all pairs, then the rejected. Statistics: `accuracy` (share of pairs with
 * the chosen above), `margin` (mean of r_chosen − r_rejected), `preference` and `lm` (the two terms, the latter without
 * its coefficient). Source: P eq. 2, whose printed sign of the LM term is wrong.
 */
export function pairLoss(pairs: readonly EncodedPair[], lmCoefficient: number): StepPart {
  const hasLanguageTerm = lmCoefficient > 0;
  const chosen = pairs.map((pair) => (hasLanguageTerm ? pair.chosen : withoutTargets(pair.chosen)));
  const rejected = pairs.map((pair) => withoutTargets(pair.rejected));
  const count = pairs.length;
  const tokens = targetCount(chosen);

  const overPairs = Float32Array.from({ length: 2 * count }, (_, row) => (row < count ? 1 / count : 0));
  const other = Float32Array.from({ length: 2 * count }, (_, row) => (row < count ? row + count : row - count));
  const difference = subtract(scores, take(scores, "other"));
  const overall = (of: typeof difference) => multiply(perRow("pair"), of);
  const preference: Sum = [overall(negate(logSigmoid(difference)))];
  const negativeLogLikelihood = multiply(perToken("token"), negate(logProbabilities));
  return {
    batch: batchOf([...chosen, ...rejected]),
    arrays: { pair: overPairs, other, ...(hasLanguageTerm && { token: new Float32Array(tokens).fill(1 / tokens) }) },
    loss: hasLanguageTerm ? [...preference, multiply(constant(lmCoefficient), negativeLogLikelihood)] : preference,
    statistics: {
      preference,
      accuracy: [overall(greater(difference, constant(0)))],
      margin: [overall(difference)],
      ...(hasLanguageTerm && { lm: [negativeLogLikelihood] }),
    },
  };
}

function withoutTargets({ tokens }: LanguageRow): LanguageRow {
  return { tokens, targets: new Int32Array(0) };
}

/** Raw score of each row, `batch` rows at a time. */
export async function scoreRows(backend: Backend, model: string, rows: Iterable<Int32Array>, batch: number): Promise<number[]> {
  const result: number[] = [];
  for (const some of inChunks(rows, batch)) {
    const targets = some.map(() => new Int32Array(0));
    const { scores: found } = await backend.forward(model, { batch: { sequences: some, targets }, quantities: ["scores"] });
    result.push(...found ?? []);
  }
  return result;
}

/** Raw score of the chosen minus that of the rejected, for each pair. */
export async function scoreDifferences(backend: Backend, model: string, pairs: Rows<EncodedPair>, batch: number): Promise<number[]> {
  const chosen = await scoreRows(backend, model, mapped(pairs, (pair) => pair.chosen.tokens), batch);
  const rejected = await scoreRows(backend, model, mapped(pairs, (pair) => pair.rejected.tokens), batch);
  return chosen.map((score, index) => score - rejected[index]!);
}

/** Share of pairs whose chosen answer scores above the rejected; equal scores count as wrong. */
export function accuracyOf(differences: readonly number[]): number {
  return mean(differences.map((difference) => (difference > 0 ? 1 : 0)));
}
