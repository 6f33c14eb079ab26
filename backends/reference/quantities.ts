import type { Batch, ForwardQuantity } from "../backend.js";
import { entropyOfRows, logSoftmax } from "./layers.js";
import { type Model, hiddenStates, project } from "./decoder.js";
import { gather, gatherRows, linear, stackRows } from "./matrices.js";
import type { Matrix, Tape } from "./tape.js";

/** Columns over tokens (all targets, row after row) or rows (scores), and features [rows, hidden]; only those asked for. */
export type Quantities = Partial<Record<ForwardQuantity, Matrix>>;

/**
 * The quantities of a batch, each row computed alone. The target at index t is read from the hidden state at t − 1,
 * score and features from the last token's.
 */
export function quantitiesOf(
  tape: Tape, model: Model, batch: Batch, asked: ReadonlySet<ForwardQuantity>, temperature: number,
): Quantities {
  const states: Matrix[] = [];
  const lastStates: Matrix[] = [];
  batch.sequences.forEach((sequence, row) => {
    const hidden = hiddenStates(tape, model, sequence);
    states.push(gatherRows(tape, hidden, batch.targets[row]!.map((target) => target - 1)));
    lastStates.push(gatherRows(tape, hidden, [sequence.length - 1]));
  });
  const { configuration: { hidden: width }, blueprint: { label } } = model;
  const beforeTargets = stackRows(tape, states, width);

  const result: Quantities = {};
  if (asked.has("logProbabilities") || asked.has("entropy")) {
    const logits = linear(tape, beforeTargets, languageHead(model));
    const distribution = logSoftmax(tape, logits, 1 / temperature);
    const drawn = batch.sequences.flatMap((sequence, row) => Array.from(batch.targets[row]!, (target) => sequence[target]!));
    result.logProbabilities = gather(tape, distribution, drawn.length, 1, (i) => i * distribution.columns + drawn[i]!);
    if (asked.has("entropy")) result.entropy = entropyOfRows(tape, distribution);
  }
  if (label !== undefined && asked.has("values")) result.values = project(tape, model, beforeTargets, label);
  if (label !== undefined && asked.has("scores")) result.scores = project(tape, model, stackRows(tape, lastStates, width), label);
  if (asked.has("features")) result.features = stackRows(tape, lastStates, width);
  return result;
}

/** [vocabulary, hidden]; the embedding where they are tied. */
export const languageHead = ({ blueprint: { embedding, languageHead: own }, parameters }: Model): Matrix => parameters.get((own ?? embedding).weight)!;
