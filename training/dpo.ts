import type { Backend } from "../backends/backend.js";
import { selected, type Rows } from "../data/row-list.js";
import { permutation, randomAt } from "../foundation/random.js";
import { Tokenizer } from "../models/tokenizer.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { inChunks, stepCount } from "./batches.js";
import { dpoLoss, pairRows } from "./dpo-loss.js";
import { mean, offsetsOf, rowSums } from "./experience.js";
import { batchOf } from "./language-loss.js";
import { trainingOrder } from "./mixture.js";
import { loadForTraining, requireData, requireInput } from "./models.js";
import { accuracyOf, pairFitting, type EncodedPair } from "./pairs.js";
import { loadReference, type Reference } from "./reference.js";
import { fitOptions, fitRows } from "./row-limits.js";
import { dataCounts, HELD_OUT_ROWS, supervisedTrainer } from "./supervised.js";
import type { Metrics, Trainer, TrainerSetup } from "./trainer.js";

const policy = "policy";

/**
 * Direct preference optimisation: a pair's loss sees how much more the policy than the reference prefers the chosen answer.
 * The reference's log-probabilities are computed with each batch, so that a step follows from seed, index and weights alone.
 * Source: Rafailov et al., arXiv 2305.18290.
 */
export async function createDpo(setup: TrainerSetup<StageParameters<"dpo">>): Promise<Trainer> {
  const { backend, parameters, seed } = setup;
  const from = requireInput(setup, "policy");
  const data = requireData(setup, "data");
  const tokenizer = await Tokenizer.load(from.directory);
  const { context } = await loadForTraining(setup, { model: policy, head: "language", from });
  const reference = await loadReference(setup, { model: policy, from });

  setup.phase("encoding pairs");
  const fitting = pairFitting(tokenizer);
  const train = await fitRows(data.pairs.train, parameters, context, fitting, fitOptions(setup, "pairs"));
  const { rows: heldOut } = await fitRows(data.pairs.heldOut, { ...parameters, maxTooLongShare: 1 }, context, fitting, fitOptions(setup, "held-out pairs"));
  const heldOutSample = selected(heldOut, permutation(randomAt(seed, "held-out"), heldOut.length).subarray(0, HELD_OUT_ROWS));
  const order = trainingOrder(seed, data, "pairs", train.places, parameters.batch);
  const measure = (pairs: Rows<EncodedPair>): Promise<Metrics> => heldOutFigures(backend, reference, pairs, parameters);

  return supervisedTrainer(setup, {
    model: policy, from, tokenizer,
    steps: stepCount(train.rows.length, parameters.batch, parameters.epochs, parameters.maxSteps),
    headline: ["loss/dpo", "rewards/accuracies", "rewards/margins", "rewards/held_out_accuracies"],
    counts: dataCounts(data, train.counts),
    async part(index) {
      const pairs = order.at(index).map((row) => train.rows.at(row)!);
      return dpoLoss(pairs, await logProbabilitiesOf(backend, reference, pairs), parameters);
    },
    metrics: ({ losses, statistics }) => ({ "loss/dpo": losses[0]!, ...statistics[0] }),
    ...(heldOutSample.length > 0 && { heldOut: () => measure(heldOutSample) }),
    finish: async () => (heldOut.length === 0 ? {} : { figures: await measure(heldOut) }),
  });
}

/** Log-probabilities of the pairs' answer tokens under a model, rows as pairRows has them. */
async function logProbabilitiesOf(backend: Backend, { model, adapter }: Reference, pairs: readonly EncodedPair[]): Promise<Float32Array> {
  const { logProbabilities } = await backend.forward(model, { batch: batchOf(pairRows(pairs)), quantities: ["logProbabilities"], adapter });
  return logProbabilities!;
}

/** Share of pairs in the right order by the rewards that policy and reference imply, and the mean of the rewards' difference. */
async function heldOutFigures(
  backend: Backend, reference: Reference, pairs: Rows<EncodedPair>, { batch, beta, loss }: StageParameters<"dpo">,
): Promise<Metrics> {
  const margins: number[] = [];
  for (const some of inChunks(pairs, batch)) {
    const rows = pairRows(some);
    const [own, others] = [await logProbabilitiesOf(backend, { model: policy }, some), await logProbabilitiesOf(backend, reference, some)];
    const ratios = rowSums(own.map((value, token) => value - others[token]!), offsetsOf(rows.map(({ targets }) => targets)))
      .map((sum, row) => (loss === "ipo" ? sum / rows[row]!.targets.length : sum));
    margins.push(...some.map((_, pair) => beta * (ratios[pair]! - ratios[pair + some.length]!)));
  }
  return { "rewards/held_out_accuracies": accuracyOf(margins), "rewards/held_out_margins": mean(margins) };
}
