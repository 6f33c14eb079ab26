import { Tokenizer } from "../models/tokenizer.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { encodeTexts, packedText } from "./encoded-text.js";
import { languageLoss, meanNegativeLogLikelihood, type LanguageRow } from "./language-loss.js";
import { endTokenOf, loadForTraining, requireData, requireInput } from "./models.js";
import { allButFirst, packDocuments } from "./packing.js";
import { dataCounts, HELD_OUT_ROWS, supervisedTrainer } from "./supervised.js";
import type { Trainer, TrainerSetup } from "./trainer.js";

/** Next-token training on documents packed into rows of `length` tokens; every token but a row's first is a target. */
export async function createPretrain(setup: TrainerSetup<StageParameters<"pretrain">>): Promise<Trainer> {
  const { backend, parameters, seed } = setup;
  const from = requireInput(setup, "model");
  const data = requireData(setup, "data");
  const tokenizer = await Tokenizer.load(from.directory);
  const { context } = await loadForTraining(setup, { model: "model", head: "language", from });
  const length = Math.min(parameters.length ?? context, context);
  const endToken = endTokenOf(tokenizer);

  setup.phase("encoding text");
  const documents = await encodeTexts(data.text.train, tokenizer, setup);
  const rows = packedText(data, documents, { length, endToken, seed });
  const heldOut = packDocuments(await encodeTexts(data.text.heldOut, tokenizer, setup), length, endToken, HELD_OUT_ROWS).map(allPredicted);

  return supervisedTrainer(setup, {
    model: "model", from, tokenizer, steps: parameters.steps,
    headline: ["loss/lm", "lm/perplexity", "lm/held_out_perplexity"],
    counts: dataCounts(data, {
      documents: documents.lengths.length, tokens: documents.lengths.reduce((sum, length) => sum + length + 1, 0),
    }),
    part: (index) => languageLoss(rows.slice(index * parameters.batch, parameters.batch).map(allPredicted)),
    metrics: (result) => ({ "loss/lm": result.losses[0]!, "lm/perplexity": Math.exp(result.losses[0]!) }),
    ...(heldOut.length > 0 && {
      heldOut: async () => {
        const loss = await meanNegativeLogLikelihood(backend, "model", heldOut, parameters.batch);
        return { "lm/held_out_loss": loss, "lm/held_out_perplexity": Math.exp(loss) };
      },
    }),
  });
}

function allPredicted(tokens: Int32Array): LanguageRow {
  return { tokens, targets: allButFirst(tokens) };
}
