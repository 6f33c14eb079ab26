import { trainBytePairs, writeTokenizer } from "../models/bpe.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { requireData } from "./models.js";
import { dataCounts } from "./supervised.js";
import type { Trainer, TrainerSetup } from "./trainer.js";

/** Learns a byte-level BPE from the training split. One step, and a checkpoint that holds nothing: it is done in seconds. */
export async function createTokenizer(setup: Omit<TrainerSetup<StageParameters<"tokenizer">>, "backend">): Promise<Trainer> {
  const { vocabulary, isolateHan } = setup.parameters;
  const data = requireData(setup, "data");
  const texts = data.text.train.map(({ text }) => text);
  const train = async () => trainBytePairs(texts, { vocabulary, isolateHan });
  let trained: ReturnType<typeof train> | undefined;
  const figures = { "tokenizer/vocabulary": vocabulary };
  return {
    steps: 1,
    headline: Object.keys(figures),
    async step() {
      await (trained ??= train());
      return figures;
    },
    checkpoint: async () => {},
    async finish(directory) {
      await writeTokenizer(directory, await (trained ??= train()));
      return { figures, data: dataCounts(data, { documents: texts.length }) };
    },
  };
}
