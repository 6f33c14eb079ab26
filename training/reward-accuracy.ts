import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { selected } from "../data/row-list.js";
import { canonicalJson } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import { Tokenizer } from "../models/tokenizer.js";
import { REPORT_FILE } from "../schemas/report.js";
import { accuracyReportSchema } from "../schemas/reward-accuracy-report.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { loadFrozen, readCheckpointState, requireData, requireInput, saveCheckpoint } from "./models.js";
import { accuracyOf, pairFitting, scoreDifferences } from "./pairs.js";
import { accuracyFigures, buildAccuracyReport, type RankedPair } from "./reward-accuracy-report.js";
import { fitOptions, fitRows } from "./row-limits.js";
import { dataCounts } from "./supervised.js";
import type { Trainer, TrainerSetup } from "./trainer.js";

const stateSchema = z.strictObject({ differences: z.array(z.number()) });

/** Ranks held-out pairs with a reward model; those of each data entry count for themselves. Source: P §3.1, §4.3. */
export async function createRewardAccuracy(setup: TrainerSetup<StageParameters<"reward-accuracy">>): Promise<Trainer> {
  const { backend, parameters, resume } = setup;
  const from = requireInput(setup, "reward");
  const data = requireData(setup, "pairs");
  const tokenizer = await Tokenizer.load(from.directory);
  const { context } = await loadFrozen(setup, { model: "reward", head: "score", from });
  const fitted = await fitRows(data.pairs.heldOut, parameters, context, pairFitting(tokenizer), fitOptions(setup, "pairs"));
  const setOf = setsBy(data.heldOutPairs ?? [], [...fitted.places]);
  const { differences } = resume === undefined ? { differences: [] } : await readCheckpointState(resume.directory, stateSchema);

  return {
    steps: Math.ceil(fitted.rows.length / parameters.batch),
    headline: ["rm/accuracy"],
    async step(index) {
      const first = index * parameters.batch;
      const some = selected(fitted.rows, Array.from({ length: Math.min(parameters.batch, fitted.rows.length - first) }, (_, row) => first + row));
      differences.push(...await scoreDifferences(backend, "reward", some, parameters.batch));
      return { "rm/accuracy": accuracyOf(differences) };
    },
    checkpoint: (directory) => saveCheckpoint(backend, directory, [], { differences }),
    async finish(directory) {
      const ranked = differences.map((difference, row): RankedPair => {
        const { prompt, tags } = fitted.originals.at(row)!;
        const { chosen, rejected } = fitted.rows.at(row)!;
        return { set: setOf[row]!, prompt, tags, difference, lengths: [chosen.targets.length, rejected.targets.length] };
      });
      const report = accuracyReportSchema.parse(buildAccuracyReport(ranked, fitted.counts.dropped));
      await writeFile(join(directory, REPORT_FILE), `${canonicalJson(report)}\n`, { flush: true });
      return { figures: accuracyFigures(report), data: dataCounts(data, fitted.counts) };
    },
  };
}

/** The data entry of each pair that is used. @param places of these among all held-out pairs, ascending. Errors: TL_TRAIN_NOTHING for an entry without one. */
function setsBy(entries: readonly { readonly entry: string; readonly count: number }[], places: readonly number[]): string[] {
  let end = 0;
  const sets = entries.map(({ entry, count }) => ({ entry, start: end, end: end += count }));
  const empty = sets.find(({ start, end: after }) => !places.some((place) => place >= start && place < after));
  if (empty !== undefined || sets.length === 0) {
    throw new TruelineError("TL_TRAIN_NOTHING", `No held-out pair of ${empty?.entry ?? "the data"} is left that the reward model could rank.`, {
      hint: "Hold more rows out, or look at the stage that makes the pairs: its report says how many answers were too close.",
    });
  }
  return places.map((place) => sets.find((set) => place < set.end)!.entry);
}
