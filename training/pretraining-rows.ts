import { TruelineError } from "../foundation/errors.js";
import type { Tokenizer } from "../models/tokenizer.js";
import type { TrickParameters } from "../schemas/tricks.js";
import { encodeTexts, packedText } from "./encoded-text.js";
import { endTokenOf } from "./models.js";
import type { TrainerSetup } from "./trainer.js";
import type { DrawPretrainingRows } from "./tricks/pretraining-loss.js";

/** The supply of packed pretraining text that the ptx loss draws from, in order of the updates. */
export async function pretrainingRows(
  { data, seed, scratch }: Pick<TrainerSetup<unknown>, "data" | "seed" | "scratch">, tokenizer: Tokenizer,
  { length }: TrickParameters["pretrainingLoss"],
): Promise<DrawPretrainingRows> {
  const input = data["pretrainingData"];
  if (!input) {
    throw new TruelineError("TL_INTERNAL", "pretrainingLoss is on and the stage has no pretrainingData");
  }
  const documents = await encodeTexts(input.text.train, tokenizer, { scratch });
  const supply = packedText(input, documents, { length, endToken: endTokenOf(tokenizer), seed });
  return (count, update) => supply.slice(update * count, count);
}
