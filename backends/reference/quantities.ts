import type { Batch, Quantity } from "../backend.js";
import type { ModelConfiguration } from "../../models/configuration.js";
import { entropyOfRows, logSoftmax } from "./layers.js";
import { type Parameters, hiddenStates } from "./llama.js";
import { gather, gatherRows, linear, stackRows } from "./matrices.js";
import type { Matrix, Tape } from "./tape.js";

/** Columns over tokens (all targets, row after row) or rows (scores); only those asked for. */
export type Quantities = Partial<Record<Quantity, Matrix>>;

/**
 * The quantities of a batch, each row computed alone. The target at index t is read from the hidden state at t − 1,
 * the score from the last token's.
 */
export function quantitiesOf(
  tape: Tape, configuration: ModelConfiguration, parameters: Parameters,
  batch: Batch, asked: ReadonlySet<Quantity>, temperature: number,
): Quantities {
  const states: Matrix[] = [];
  const lastStates: Matrix[] = [];
  batch.sequences.forEach((sequence, row) => {
    const hidden = hiddenStates(tape, configuration, parameters, sequence);
    states.push(gatherRows(tape, hidden, batch.targets[row]!.map((target) => target - 1)));
    lastStates.push(gatherRows(tape, hidden, [sequence.length - 1]));
  });
  const beforeTargets = stackRows(tape, states, configuration.hidden);

  const result: Quantities = {};
  if (asked.has("logProbabilities") || asked.has("entropy")) {
    const logits = linear(tape, beforeTargets, languageHead(parameters));
    const distribution = logSoftmax(tape, logits, 1 / temperature);
    const drawn = batch.sequences.flatMap((sequence, row) => Array.from(batch.targets[row]!, (target) => sequence[target]!));
    result.logProbabilities = gather(tape, distribution, drawn.length, 1, (i) => i * distribution.columns + drawn[i]!);
    if (asked.has("entropy")) result.entropy = entropyOfRows(tape, distribution);
  }
  if (asked.has("values")) result.values = linear(tape, beforeTargets, parameters.get("score.weight")!, parameters.get("score.bias"));
  if (asked.has("scores")) {
    result.scores = linear(tape, stackRows(tape, lastStates, configuration.hidden), parameters.get("score.weight")!);
  }
  return result;
}

/** [vocabulary, hidden]; the embedding where they are tied. */
export const languageHead = (parameters: Parameters): Matrix =>
  (parameters.get("lm_head.weight") ?? parameters.get("model.embed_tokens.weight"))!;
