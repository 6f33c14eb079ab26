import { mapped, SpilledRows, tokensCodec, type Rows } from "../data/row-list.js";
import type { TextRow } from "../data/types.js";
import { Breath } from "../foundation/breath.js";
import { isTenth } from "../foundation/progress.js";
import type { Tokenizer } from "../models/tokenizer.js";
import { MixedRows, PackedRows, type EncodedDocuments, type PackingOptions, type RowSupply } from "./packing.js";
import type { StageData, TrainerSetup } from "./trainer.js";

/** Encodes texts, a document each; they stay on disk where they are long. Timers keep ticking meanwhile. */
export async function encodeTexts(
  texts: Rows<TextRow>, tokenizer: Tokenizer, { scratch, phase }: Partial<Pick<TrainerSetup<unknown>, "scratch" | "phase">>,
): Promise<EncodedDocuments> {
  const documents = new SpilledRows(tokensCodec, scratch);
  const lengths = new Int32Array(texts.length);
  const breath = new Breath(1);
  for (const { text } of texts) {
    const tokens = tokenizer.encode(text);
    lengths[documents.length] = tokens.length;
    documents.push([tokens]);
    if (isTenth(documents.length, texts.length)) phase?.(`encoding text: ${documents.length} of ${texts.length} documents`);
    if (breath.due()) await breath.take();
  }
  return { documents: mapped(documents, ([tokens]) => tokens!), lengths };
}

/** The training text of a stage in packed rows, of a mixture each entry's apart. */
export function packedText({ shares }: Pick<StageData, "shares">, { documents, lengths }: EncodedDocuments, options: PackingOptions): RowSupply {
  if (shares === undefined) return new PackedRows({ documents, lengths }, options);
  let end = 0;
  const supplies = shares.map(({ train }, part) => {
    const start = end;
    end += train.text;
    const indices = Int32Array.from({ length: train.text }, (_, index) => start + index);
    return new PackedRows({ documents: mapped(indices, (index) => documents.at(index)!), lengths: lengths.subarray(start, end) }, options, [part]);
  });
  return new MixedRows(options.seed, supplies, shares.map(({ weight }) => weight));
}
