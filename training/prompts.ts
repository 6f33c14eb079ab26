import type { PromptRow } from "../data/types.js";
import type { Tokenizer } from "../models/tokenizer.js";
import { nothingToTrainOn } from "./batches.js";
import type { EncodedPrompt } from "./rollouts.js";
import { cutFirstExchange, fitRows, type FittedRows, type RowLimits } from "./row-limits.js";
import type { TrainerSetup } from "./trainer.js";

export type PromptLimits = RowLimits & { readonly maxNewTokens: number };

export interface StagePrompts {
  readonly rows: readonly PromptRow[];
  readonly encoded: readonly EncodedPrompt[];
  /** Rows read, used, dropped and cut, by data entry. */
  readonly counts: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/**
 * The training prompts of a stage that samples answers, as tokens up to the assistant's turn. A prompt must leave room
 * for `maxNewTokens` in the context. Errors: TL_DATA_TOO_LONG, TL_TRAIN_NOTHING.
 */
export async function encodePrompts(
  setup: Pick<TrainerSetup<PromptLimits>, "parameters" | "data">, tokenizer: Tokenizer, context: number,
): Promise<StagePrompts> {
  const input = setup.data["prompts"];
  const fitted = await fitPrompts(input?.prompts.train ?? [], setup.parameters, tokenizer, context);
  return { ...fitted, counts: { ...input?.counts, prompts: fitted.counts } };
}

/** Encodes the prompts given, as encodePrompts does those for training. */
export async function fitPrompts(
  rows: readonly PromptRow[], limits: PromptLimits, tokenizer: Tokenizer, context: number,
): Promise<Omit<StagePrompts, "counts"> & Pick<FittedRows<unknown>, "counts">> {
  const fitted = await fitRows(rows, limits, context, {
    encode: (row) => ({ row, tokens: tokenizer.encodePrompt(row.messages) }),
    length: ({ tokens }) => tokens.length + limits.maxNewTokens,
    cut: (row) => {
      const messages = cutFirstExchange(row.messages);
      return messages && { ...row, messages };
    },
  });
  if (fitted.rows.length === 0) throw nothingToTrainOn();
  return {
    rows: fitted.rows.map(({ row }) => row),
    encoded: fitted.rows.map(({ tokens }, row) => ({ tokens, row })),
    counts: fitted.counts,
  };
}
