import type { StepPart } from "../backends/backend.js";
import {
  add, constant, greater, logProbabilities, logSigmoid, maximum, multiply, negate, perRow, perToken, rowSums, square, subtract, take,
  type Expression, type Sum,
} from "../backends/expressions.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { batchOf, type LanguageRow } from "./language-loss.js";
import type { EncodedPair } from "./pairs.js";

export type DpoSettings = Pick<StageParameters<"dpo">, "loss" | "beta" | "labelSmoothing">;

/** Rows of a batch of pairs: the chosen of all, then the rejected. */
export function pairRows(pairs: readonly EncodedPair[]): LanguageRow[] {
  return [...pairs.map(({ chosen }) => chosen), ...pairs.map(({ rejected }) => rejected)];
}

/** Loss of a pair from Δ = (log π/π_ref)(chosen) − (log π/π_ref)(rejected). Sources: arXiv 2305.18290 eq. 7; its cDPO note; 2305.10425; 2310.12036 eq. 17. */
const losses: Readonly<Record<DpoSettings["loss"], (difference: Expression, settings: DpoSettings) => Expression>> = {
  sigmoid: (difference, { beta, labelSmoothing }) => {
    const logit = multiply(constant(beta), difference);
    const asLabelled = negate(logSigmoid(logit));
    if (labelSmoothing === 0) return asLabelled;
    return add(multiply(constant(1 - labelSmoothing), asLabelled), multiply(constant(labelSmoothing), negate(logSigmoid(negate(logit)))));
  },
  hinge: (difference, { beta }) => maximum(constant(0), subtract(constant(1), multiply(constant(beta), difference))),
  ipo: (difference, { beta }) => square(subtract(difference, constant(1 / (2 * beta)))),
};

/**
 * Mean over pairs of the loss, and what TRL reports beside it: rewards are β log π/π_ref of an answer, log-probabilities are sums over
 * its tokens, both of `ipo` a mean over them.
 * @param reference log-probabilities of the batch's target tokens under the reference, rows as pairRows has them.
 */
export function dpoLoss(pairs: readonly EncodedPair[], reference: Float32Array, settings: DpoSettings): StepPart {
  const count = pairs.length;
  const rows = pairRows(pairs);
  const ofAnswer = (tokens: Expression): Expression => (settings.loss === "ipo" ? multiply(perRow("inverseLength"), rowSums(tokens)) : rowSums(tokens));
  const ratio = ofAnswer(subtract(logProbabilities, perToken("reference")));
  const difference = subtract(ratio, take(ratio, "other"));
  const reward = multiply(constant(settings.beta), ratio);
  const margin = multiply(constant(settings.beta), difference);
  const ofChosen = (quantity: Expression): Sum => [multiply(perRow("chosen"), quantity)];
  const ofRejected = (quantity: Expression): Sum => [multiply(perRow("rejected"), quantity)];
  const meanOfFirst = (first: boolean): Float32Array => Float32Array.from(rows, (_, row) => (row < count === first ? 1 / count : 0));
  return {
    batch: batchOf(rows),
    arrays: {
      reference, chosen: meanOfFirst(true), rejected: meanOfFirst(false),
      other: Float32Array.from(rows, (_, row) => (row + count) % (2 * count)),
      ...(settings.loss === "ipo" && { inverseLength: Float32Array.from(rows, ({ targets }) => 1 / targets.length) }),
    },
    loss: ofChosen(losses[settings.loss](difference, settings)),
    statistics: {
      "rewards/chosen": ofChosen(reward),
      "rewards/rejected": ofRejected(reward),
      "rewards/accuracies": ofChosen(greater(difference, constant(0))),
      "rewards/margins": ofChosen(margin),
      "logps/chosen": ofChosen(ofAnswer(logProbabilities)),
      "logps/rejected": ofRejected(ofAnswer(logProbabilities)),
    },
  };
}
