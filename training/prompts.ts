import type { PromptRow } from "../data/types.js";
import type { Tokenizer } from "../models/tokenizer.js";
import { nothingToTrainOn } from "./batches.js";
import type { EncodedPrompt } from "./rollouts.js";
import { cutFirstExchange, fitRows, type RowLimits } from "./row-limits.js";
import type { TrainerSetup } from "./trainer.js";

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
export function encodePrompts(
  setup: Pick<TrainerSetup<RowLimits & { readonly maxNewTokens: number }>, "parameters" | "data">,
  tokenizer: Tokenizer, context: number,
): StagePrompts {
  const { parameters, data } = setup;
  const input = data["prompts"];
  const fitted = fitRows(input?.prompts.train ?? [], parameters, context, {
    encode: (row) => ({ row, tokens: tokenizer.encodePrompt(row.messages) }),
    length: ({ tokens }) => tokens.length + parameters.maxNewTokens,
    cut: (row) => {
      const messages = cutFirstExchange(row.messages);
      return messages && { ...row, messages };
    },
  });
  if (fitted.rows.length === 0) throw nothingToTrainOn();
  return {
    rows: fitted.rows.map(({ row }) => row),
    encoded: fitted.rows.map(({ tokens }, row) => ({ tokens, row })),
    counts: { ...input?.counts, prompts: fitted.counts },
  };
}
