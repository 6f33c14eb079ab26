import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { selected, type Rows } from "../data/row-list.js";
import { permutation, randomAt } from "../foundation/random.js";
import { Tokenizer } from "../models/tokenizer.js";
import { HELD_OUT_SCORES_FILE } from "../schemas/report.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { stepCount } from "./batches.js";
import { mean, variance } from "./experience.js";
import { trainingOrder } from "./mixture.js";
import { loadForTraining, requireData, requireInput } from "./models.js";
import { accuracyOf, pairFitting, pairLoss, scoreDifferences, scoreRows, type EncodedPair } from "./pairs.js";
import { fitOptions, fitRows } from "./row-limits.js";
import { dataCounts, HELD_OUT_ROWS, supervisedTrainer } from "./supervised.js";
import type { Trainer, TrainerSetup } from "./trainer.js";

/**
 * Pairwise reward model. The model is saved with its raw head; mean and std of raw scores on reference answers go into
 * the metadata, and whoever uses the scores applies them. Reference answers are `normalizeOn` answers of the training
 * split, preferred and dispreferred alike, so that they are spread as the answers of a policy before PPO are.
 */
export async function createRewardModel(setup: TrainerSetup<StageParameters<"reward-model">>): Promise<Trainer> {
  const { backend, parameters, seed } = setup;
  const from = requireInput(setup, "model");
  const data = requireData(setup, "data");
  const tokenizer = await Tokenizer.load(from.directory);
  const { context } = await loadForTraining(setup, {
    model: "model", head: "score", from, newHead: { init: "normal", seed: randomAt(seed, "head").bits() },
  });

  setup.phase("encoding pairs");
  const fitting = pairFitting(tokenizer);
  const chosenForTraining = parameters.maxPairs === undefined || parameters.maxPairs >= data.pairs.train.length
    ? data.pairs.train
    : selected(data.pairs.train, permutation(randomAt(seed, "pairs"), data.pairs.train.length).subarray(0, parameters.maxPairs));
  const train = await fitRows(chosenForTraining, parameters, context, fitting, fitOptions(setup, "pairs"));
  const { rows: heldOut } = await fitRows(data.pairs.heldOut, { ...parameters, maxTooLongShare: 1 }, context, fitting, fitOptions(setup, "held-out pairs"));
  const heldOutSample = selected(heldOut, permutation(randomAt(seed, "held-out"), heldOut.length).subarray(0, HELD_OUT_ROWS));
  const order = trainingOrder(seed, data, "pairs", train.places, parameters.batch);
  const compare = async (pairs: Rows<EncodedPair>) => {
    const differences = await scoreDifferences(backend, "model", pairs, parameters.batch);
    return {
      differences,
      figures: {
        "rm/held_out_accuracy": accuracyOf(differences),
        "rm/held_out_margin": mean(differences),
      },
    };
  };

  return supervisedTrainer(setup, {
    model: "model", from, tokenizer,
    steps: stepCount(train.rows.length, parameters.batch, parameters.epochs, parameters.maxSteps),
    headline: ["loss/reward", "rm/accuracy", "rm/held_out_accuracy"],
    counts: dataCounts(data, train.counts),
    part: (index) => pairLoss(order.at(index).map((row) => train.rows.at(row)!), parameters.lmCoefficient),
    metrics: (result) => {
      const { preference, accuracy, margin, lm } = result.statistics[0]!;
      return { "loss/reward": preference!, "rm/accuracy": accuracy!, "rm/margin": margin!, ...(lm !== undefined && { "loss/lm": lm }) };
    },
    ...(heldOutSample.length > 0 && { heldOut: async () => (await compare(heldOutSample)).figures }),
    async finish(directory) {
      setup.phase("normalising scores");
      // The answers are chosen and rejected of the first pair, then of the second, and so on.
      const answers = Array.from(permutation(randomAt(seed, "reference answers"), 2 * train.rows.length).subarray(0, parameters.normalizeOn), (answer) => {
        const { chosen, rejected } = train.rows.at(answer >> 1)!;
        return (answer % 2 === 0 ? chosen : rejected).tokens;
      });
      const raw = await scoreRows(backend, "model", answers, parameters.batch);
      const std = Math.sqrt(variance(raw));
      const scoreNormalization = { mean: mean(raw), std: std > 0 ? std : 1 };
      if (heldOut.length === 0) return { scoreNormalization };
      const { differences, figures } = await compare(heldOut);
      await writeFile(join(directory, HELD_OUT_SCORES_FILE), `${JSON.stringify({ version: 1, differences })}\n`, { flush: true });
      return { scoreNormalization, figures };
    },
  });
}
