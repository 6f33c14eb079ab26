import { mapped, type Rows } from "../data/row-list.js";
import type { PromptRow } from "../data/types.js";
import type { Tokenizer } from "../models/tokenizer.js";
import { nothingToTrainOn } from "./batches.js";
import { trainingOrder } from "./mixture.js";
import { requireData } from "./models.js";
import type { EncodedPrompt, PromptSupply } from "./rollouts.js";
import { cutFirstExchange, fitOptions, fitRows, type FitOptions, type FittedRows, type RowFitting, type RowLimits } from "./row-limits.js";
import type { TrainerSetup } from "./trainer.js";

export type PromptLimits = RowLimits & { readonly maxNewTokens: number };

export interface StagePrompts {
  readonly rows: Rows<PromptRow>;
  readonly encoded: Rows<EncodedPrompt>;
  /** For each, which of the data's prompts it is; ascending. */
  readonly places: Rows<number>;
  /** Rows read, used, dropped and cut, by data entry. */
  readonly counts: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/**
 * The training prompts of a stage that samples answers, as tokens up to the assistant's turn; each comes `samples` times in a row.
 * A prompt must leave room for `maxNewTokens` in the context. Errors: TL_DATA_TOO_LONG, TL_TRAIN_NOTHING.
 */
export async function encodePrompts(
  setup: TrainerSetup<PromptLimits & { readonly rollouts: number }>, tokenizer: Tokenizer, context: number, samples = 1,
): Promise<StagePrompts & PromptSupply> {
  const input = requireData(setup, "prompts");
  const fitted = await fitPrompts(input.prompts.train, setup.parameters, tokenizer, context, fitOptions(setup, "prompts"));
  const order = trainingOrder(setup.seed, input, "prompts", fitted.places, setup.parameters.rollouts / samples);
  return {
    ...fitted, counts: { ...input.counts, prompts: fitted.counts },
    at: (iteration) => order.at(iteration).flatMap((index) => new Array<EncodedPrompt>(samples).fill(fitted.encoded.at(index)!)),
  };
}

/** How prompts are encoded and cut; an answer's room counts in their length. */
export function promptFitting(tokenizer: Tokenizer, { maxNewTokens }: Pick<PromptLimits, "maxNewTokens">): RowFitting<PromptRow, Int32Array> {
  return {
    encode: (row) => tokenizer.encodePrompt(row.messages),
    toTokens: (tokens) => [tokens],
    fromTokens: ([tokens]) => tokens!,
    length: (tokens) => tokens.length + maxNewTokens,
    cut: (row) => {
      const messages = cutFirstExchange(row.messages);
      return messages && { ...row, messages };
    },
  };
}

/** Encodes the prompts given, as encodePrompts does those for training. */
export async function fitPrompts(
  rows: Rows<PromptRow>, limits: PromptLimits, tokenizer: Tokenizer, context: number, options?: FitOptions,
): Promise<Omit<StagePrompts, "counts"> & Pick<FittedRows<unknown, unknown>, "counts">> {
  const fitted = await fitRows(rows, limits, context, promptFitting(tokenizer, limits), options);
  if (fitted.rows.length === 0) throw nothingToTrainOn();
  return {
    rows: fitted.originals,
    encoded: mapped(fitted.rows, (tokens, row) => ({ tokens, row })),
    places: fitted.places,
    counts: fitted.counts,
  };
}
