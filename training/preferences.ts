import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { PromptRow } from "../data/types.js";
import { promptKey } from "../data/split.js";
import { canonicalJson } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import { RememberedReplies } from "../foundation/http/remembered-replies.js";
import { Tokenizer } from "../models/tokenizer.js";
import { PAIR_FILES, preferencesReportSchema, SAMPLED_FILE, sampledPromptSchema, type SampledPrompt } from "../schemas/preferences-report.js";
import { repliesSchema, REPORT_FILE, type Answer } from "../schemas/report.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { loadAnswerScores } from "./answer-scores.js";
import { sampleAnswers } from "./answering.js";
import { chunks, nothingToTrainOn } from "./batches.js";
import { spreadSample } from "./evaluation-report.js";
import { mean } from "./experience.js";
import { loadFrozen, readCheckpointState, requireData, requireInput, saveCheckpoint } from "./models.js";
import { buildPreferencesReport, labelledPairs, pairPrompts, preferenceFigures } from "./preferences-report.js";
import { fitPrompts } from "./prompts.js";
import { sumOf, unreadableShare } from "./rewards/replies.js";
import { fitOptions } from "./row-limits.js";
import { dataCounts } from "./supervised.js";
import type { Trainer, TrainerSetup } from "./trainer.js";

const stateSchema = z.strictObject({ sampled: z.array(sampledPromptSchema), replies: repliesSchema.optional() });

type Side = SampledPrompt["side"];

/**
 * Samples answers of a policy to each prompt and labels pairs of them by a score. A step is a batch of prompts, the training ones first; a pair is on the side
 * of its prompt, so that what is trained on some of the pairs can be measured on the others.
 */
export async function createPreferences(setup: TrainerSetup<StageParameters<"preferences">>): Promise<Trainer> {
  const { backend, seed, resume } = setup;
  const parameters = { ...setup.parameters, judge: setup.parameters.judge ?? (setup.parameters.gold === undefined ? "reward-model" : "gold") } as const;
  const from = requireInput(setup, "policy");
  const policy = { model: "policy", tokenizer: await Tokenizer.load(from.directory) };
  const { context } = await loadFrozen(setup, { model: policy.model, head: "language", from });
  const scores = await loadAnswerScores(setup, from, await RememberedReplies.open(setup.replies));
  const data = requireData(setup, "prompts");
  const { rows, counts } = await promptsOf(setup, policy.tokenizer, context);

  const batches = (["train", "heldOut"] as const).flatMap((side) => chunks(rows[side], parameters.batch).map((prompts) => ({ side, prompts })));
  const state = resume && await readCheckpointState(resume.directory, stateSchema);
  const { sampled } = state ?? { sampled: [] };
  let replies = state?.replies;

  return {
    steps: batches.length,
    headline: ["preferences/pairs", "preferences/score", "preferences/length"],
    async step(index) {
      const { side, prompts } = batches[index]!;
      const answers: Answer[][] = prompts.map(() => []);
      for (let round = 0; round < parameters.samples; round++) {
        const found = await scores.score(await sampleAnswers(backend, policy, prompts, parameters, seed, ["answers", index, round]), true);
        found.forEach((answer, row) => answers[row]!.push(answer));
      }
      sampled.push(...prompts.map(({ messages, tags }, row) => ({ side, prompt: [...messages], tags: { ...tags }, answers: answers[row]! })));
      replies = sumOf([replies, scores.replies()]);
      const fresh = pairPrompts(sampled.slice(-prompts.length), parameters, seed);
      const all = fresh.flatMap((prompt) => prompt.answers);
      return {
        "preferences/pairs": fresh.flatMap(({ pairs }) => pairs).length, "preferences/score": mean(all.map(({ score }) => score)), "preferences/length": mean(all.map(({ tokens }) => tokens)),
        ...unreadableShare("preferences/unreadable", replies),
      };
    },
    checkpoint: (directory) => saveCheckpoint(backend, directory, [], { sampled, ...(replies && { replies }) }),
    async finish(directory) {
      const paired = pairPrompts(sampled, parameters, seed);
      const report = preferencesReportSchema.parse({ ...buildPreferencesReport(paired, parameters, seed), ...(replies && { rewardReplies: replies }) });
      if (report.train.pairs === 0) throw noPairs(report.train.answers.count, parameters.margin);
      const write = (name: string, lines: readonly unknown[]) => writeFile(join(directory, name), lines.map((line) => `${canonicalJson(line)}\n`).join(""), { flush: true });
      for (const side of ["train", "heldOut"] as const) await write(PAIR_FILES[side], labelledPairs(paired.filter((prompt) => prompt.side === side)));
      await write(SAMPLED_FILE, sampled);
      await write(REPORT_FILE, [report]);
      return { figures: { ...preferenceFigures(report), ...unreadableShare("preferences/unreadable", replies) }, data: dataCounts(data, counts) };
    },
  };
}

/** The prompts of both sides that are answered. A held-out one that is the same as a training one, because both were cut, is left out. */
async function promptsOf(
  setup: TrainerSetup<StageParameters<"preferences">>, tokenizer: Tokenizer, context: number,
): Promise<{ readonly rows: Readonly<Record<Side, readonly PromptRow[]>>; readonly counts: Readonly<Record<string, number>> }> {
  const { parameters, seed } = setup;
  const { train, heldOut } = requireData(setup, "prompts").prompts;
  const { maxPrompts = Infinity, maxHeldOutPrompts = Infinity } = parameters;
  if (train.length === 0) throw nothingToTrainOn();
  const fit = (some: typeof train, what: string) => fitPrompts(some, parameters, tokenizer, context, fitOptions(setup, what));
  const fitted = await fit(train, "prompts");
  const rows = [...fitted.rows];
  if (heldOut.length === 0 || maxHeldOutPrompts === 0) return { rows: { train: spreadSample(rows, maxPrompts, seed), heldOut: [] }, counts: fitted.counts };
  const others = await fit(heldOut, "held-out prompts");
  const known = new Set(rows.map(({ messages }) => promptKey(messages)));
  const unseen = [...others.rows].filter(({ messages }) => !known.has(promptKey(messages)));
  return {
    rows: { train: spreadSample(rows, maxPrompts, seed), heldOut: spreadSample(unseen, maxHeldOutPrompts, seed) },
    counts: Object.fromEntries((["used", "dropped", "cut"] as const).map((name) => [name, fitted.counts[name] + others.counts[name]])),
  };
}

function noPairs(answers: number, margin: number): TruelineError {
  return new TruelineError("TL_PREFERENCES_NONE", `Of ${answers} answers to the training prompts no two to the same prompt differ in score by more than ${margin}.`, {
    hint: "Lower `margin`, raise `temperature` or `samples`, or look at the answers: a policy that always says the same has no preferences among them.",
  });
}
