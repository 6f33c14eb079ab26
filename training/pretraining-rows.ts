import { mapBreathing } from "../foundation/breath.js";
import { TruelineError } from "../foundation/errors.js";
import type { Tokenizer } from "../models/tokenizer.js";
import type { TrickParameters } from "../schemas/tricks.js";
import { endTokenOf } from "./models.js";
import { PackedRows } from "./packing.js";
import type { TrainerSetup } from "./trainer.js";
import type { DrawPretrainingRows } from "./tricks/pretraining-loss.js";

/** The supply of packed pretraining text that the ptx loss draws from, in order of the updates. */
export async function pretrainingRows(
  { data, seed }: Pick<TrainerSetup<unknown>, "data" | "seed">, tokenizer: Tokenizer,
  { length }: TrickParameters["pretrainingLoss"],
): Promise<DrawPretrainingRows> {
  const text = data["pretrainingData"]?.text.train;
  if (!text) {
    throw new TruelineError("TL_INTERNAL", "pretrainingLoss is on and the stage has no pretrainingData");
  }
  const documents = await mapBreathing(text, (row) => tokenizer.encode(row.text));
  const supply = new PackedRows(documents, { length, endToken: endTokenOf(tokenizer), seed });
  return (count, update) => supply.slice(update * count, count);
}
