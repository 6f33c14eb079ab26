import { mapped } from "../data/row-list.js";
import { trainBytePairs, writeTokenizer, type TrainedBytePairs } from "../models/bpe.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { requireData } from "./models.js";
import { dataCounts } from "./supervised.js";
import type { Trainer, TrainerSetup } from "./trainer.js";

/** Learns a byte-level BPE from the training split. One step, and a checkpoint that holds nothing: it is done in seconds. */
export async function createTokenizer(setup: Omit<TrainerSetup<StageParameters<"tokenizer">>, "backend">): Promise<Trainer> {
  const { vocabulary, isolateHan } = setup.parameters;
  const data = requireData(setup, "data");
  const texts = mapped(data.text.train, ({ text }) => text);
  let trained: Promise<TrainedBytePairs> | undefined;
  const train = () => trained ??= trainBytePairs(texts, {
    vocabulary, isolateHan, onProgress: (tokens, of) => { setup.phase(`learning merges: ${tokens} of ${of} tokens`); },
  });
  const figures = async () => ({ "tokenizer/vocabulary": (await train()).tokens.length });
  return {
    steps: 1,
    headline: ["tokenizer/vocabulary"],
    step: figures,
    checkpoint: async () => {},
    async finish(directory) {
      await writeTokenizer(directory, await train());
      return { figures: await figures(), data: dataCounts(data, { documents: texts.length }) };
    },
  };
}
