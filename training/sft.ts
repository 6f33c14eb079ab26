import { selected } from "../data/row-list.js";
import type { DialogueRow } from "../data/types.js";
import { permutation, randomAt } from "../foundation/random.js";
import { Tokenizer } from "../models/tokenizer.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { stepCount } from "./batches.js";
import { languageLoss, meanNegativeLogLikelihood, type LanguageRow } from "./language-loss.js";
import { trainingOrder } from "./mixture.js";
import { loadForTraining, requireData, requireInput } from "./models.js";
import { cutFirstExchange, fitOptions, fitRows, type RowFitting } from "./row-limits.js";
import { dataCounts, HELD_OUT_ROWS, supervisedTrainer } from "./supervised.js";
import type { Trainer, TrainerSetup } from "./trainer.js";

/**
 * Supervised fine-tuning: cross-entropy on the tokens of all assistant turns, prompt tokens masked; a batch's loss is
 * the mean over its target tokens. Source: P §5.1.
 */
export async function createSft(setup: TrainerSetup<StageParameters<"sft">>): Promise<Trainer> {
  const { backend, parameters, seed } = setup;
  const from = requireInput(setup, "model");
  const data = requireData(setup, "data");
  const tokenizer = await Tokenizer.load(from.directory);
  const { context } = await loadForTraining(setup, { model: "model", head: "language", from });

  setup.phase("encoding dialogues");
  const fitting = dialogueFitting(tokenizer);
  const train = await fitRows(data.dialogues.train, parameters, context, fitting, fitOptions(setup, "dialogues"));
  const heldOutSample = selected(data.dialogues.heldOut, permutation(randomAt(seed, "held-out"), data.dialogues.heldOut.length).subarray(0, HELD_OUT_ROWS));
  const heldOut = [...(await fitRows(heldOutSample, { ...parameters, maxTooLongShare: 1 }, context, fitting)).rows];
  const order = trainingOrder(seed, data, "dialogues", train.places, parameters.batch);

  return supervisedTrainer(setup, {
    model: "model", from, tokenizer,
    steps: stepCount(train.rows.length, parameters.batch, parameters.epochs, parameters.maxSteps),
    headline: ["loss/sft", "sft/perplexity", "sft/held_out_perplexity"],
    counts: dataCounts(data, train.counts),
    part: (index) => languageLoss(order.at(index).map((row) => train.rows.at(row)!)),
    metrics: (result) => ({ "loss/sft": result.losses[0]!, "sft/perplexity": Math.exp(result.losses[0]!) }),
    ...(heldOut.length > 0 && {
      heldOut: async () => {
        const loss = await meanNegativeLogLikelihood(backend, "model", heldOut, parameters.batch);
        return { "sft/held_out_loss": loss, "sft/held_out_perplexity": Math.exp(loss) };
      },
    }),
  });
}

/** How dialogues are encoded and cut. */
export function dialogueFitting(tokenizer: Tokenizer): RowFitting<Pick<DialogueRow, "messages" | "source">, LanguageRow> {
  return {
    encode: ({ messages }) => tokenizer.encodeDialogue(messages),
    toTokens: ({ tokens, targets }) => [tokens, targets],
    fromTokens: ([tokens, targets]) => ({ tokens: tokens!, targets: targets! }),
    length: ({ tokens }) => tokens.length,
    cut: (row) => {
      const messages = cutFirstExchange(row.messages);
      return messages && { ...row, messages };
    },
  };
}
