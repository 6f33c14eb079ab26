import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { joined } from "../data/row-list.js";
import type { QuestionRow } from "../data/types.js";
import { canonicalJson } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import { Tokenizer } from "../models/tokenizer.js";
import { answeredQuestionSchema, choiceReportSchema, CHOICES_FILE, type AnsweredQuestion } from "../schemas/choice-report.js";
import { REPORT_FILE } from "../schemas/report.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { chunks, nothingToTrainOn } from "./batches.js";
import { encodeChoices } from "./choice-prompts.js";
import { buildChoiceReport, choiceFigures, scoreOf } from "./choice-report.js";
import { spreadSample } from "./evaluation-report.js";
import { batchOf } from "./language-loss.js";
import { loadFrozen, readCheckpointState, requireData, requireInput, saveCheckpoint } from "./models.js";
import { dataCounts } from "./supervised.js";
import type { StageData, Trainer, TrainerSetup } from "./trainer.js";

const stateSchema = z.strictObject({ answered: z.array(answeredQuestionSchema), tooLong: z.number().int() });

/**
 * Has a language model answer multiple-choice questions: the answer is the choice to which it gives the highest likelihood after
 * the question and some examples. Nothing is sampled. Source: P §6 (alignment tax); C-Eval, arXiv 2305.08322; Brown et al.,
 * "Language Models are Few-Shot Learners", §2.4.
 */
export async function createMultipleChoice(setup: TrainerSetup<StageParameters<"multiple-choice">>): Promise<Trainer> {
  const { backend, parameters, seed, resume } = setup;
  const from = requireInput(setup, "model");
  const data = requireData(setup, "questions");
  const tokenizer = await Tokenizer.load(from.directory);
  const { context } = await loadFrozen(setup, { model: "model", head: "language", from });

  const questions = asked([...allQuestions(data)], parameters.maxQuestions, seed);
  const shots = setup.data["shots"] === undefined ? [] : [...allQuestions(setup.data["shots"])];
  if (questions.length === 0) throw nothingToTrainOn();
  const batches = chunks(questions, parameters.batch);
  const state = resume === undefined ? { answered: [], tooLong: 0 } : await readCheckpointState(resume.directory, stateSchema);
  const { answered } = state;

  return {
    steps: batches.length,
    headline: ["choice/accuracy", "choice/normalized_accuracy"],
    async step(index) {
      const encoded = batches[index]!.flatMap((row) => {
        const examples = shots.filter(({ subject }) => subject === row.subject).slice(0, parameters.fewShot);
        const choices = encodeChoices(row, examples, parameters, tokenizer, context);
        return choices === undefined ? [] : [{ row, choices }];
      });
      state.tooLong += batches[index]!.length - encoded.length;
      const rows = encoded.flatMap(({ choices }) => choices.rows);
      if (rows.length === 0) return {};
      const { logProbabilities } = await backend.forward("model", { batch: batchOf(rows), quantities: ["logProbabilities"] });
      let end = 0;
      answered.push(...encoded.map(({ row: { question, choices, answer, subject, tags }, choices: { rows: own, shots: before } }): AnsweredQuestion => ({
        question, choices: [...choices], answer, subject, tags: { ...tags }, shots: before,
        logProbabilities: own.map(({ targets }) => logProbabilities!.subarray(end, end += targets.length).reduce((sum, value) => sum + value, 0)),
      })));
      const { accuracy, normalizedAccuracy } = scoreOf(answered, parameters.scoring);
      return { "choice/accuracy": accuracy.value, ...(normalizedAccuracy && { "choice/normalized_accuracy": normalizedAccuracy.value }) };
    },
    checkpoint: (directory) => saveCheckpoint(backend, directory, [], state),
    async finish(directory) {
      if (answered.length === 0) {
        throw new TruelineError("TL_DATA_TOO_LONG", `All ${questions.length} questions are longer than the model's context of ${context} tokens.`, {
          hint: "Take a model with a longer context, or shorter questions.",
        });
      }
      const report = choiceReportSchema.parse(buildChoiceReport(answered, state.tooLong, { ...parameters, fewShot: shots.length === 0 ? 0 : parameters.fewShot }));
      await writeFile(join(directory, REPORT_FILE), `${canonicalJson(report)}\n`, { flush: true });
      await writeFile(join(directory, CHOICES_FILE), answered.map((row) => `${canonicalJson(row)}\n`).join(""), { flush: true });
      return { figures: choiceFigures(report.overall), data: dataCounts(data, { used: answered.length, dropped: state.tooLong }) };
    },
  };
}

function allQuestions({ questions: { train, heldOut } }: StageData): Iterable<QuestionRow> {
  return joined([train, heldOut]);
}

/** All questions in their order, or so many of them that each subject and tag keeps its share. */
function asked(questions: readonly QuestionRow[], most: number | undefined, seed: number): readonly QuestionRow[] {
  if (most === undefined || most >= questions.length) return questions;
  return spreadSample(questions.map((row) => ({ row, tags: { ...row.tags, subject: row.subject } })), most, seed).map(({ row }) => row);
}
