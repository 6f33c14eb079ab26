import type { AnsweredQuestion, ChoiceReport, ChoiceScore } from "../schemas/choice-report.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { mean } from "./experience.js";
import { wilson } from "./intervals.js";
import { hasTags, partsOf } from "./judge-tables.js";

type Scoring = ChoiceReport["scoring"];

/** The likeliest choice; of equally likely ones the first. `normalized`: by likelihood a character. */
export function chosenOf({ logProbabilities, choices }: AnsweredQuestion, normalized: boolean): number {
  const worth = logProbabilities.map((value, index) => (normalized ? value / [...choices[index]!].length : value));
  return worth.indexOf(Math.max(...worth));
}

/** The report of a multiple-choice stage. Pure. */
export function buildChoiceReport(
  answered: readonly AnsweredQuestion[], tooLong: number, { scoring, form, fewShot }: Pick<StageParameters<"multiple-choice">, "scoring" | "form" | "fewShot">,
): ChoiceReport {
  const subjects = [...new Set(answered.map(({ subject }) => subject))].sort();
  return {
    version: 1, scoring, form, fewShot,
    fewerShots: answered.filter(({ shots }) => shots < fewShot).length, tooLong,
    intervals: "95 % intervals by Wilson's score over questions.",
    overall: scoreOf(answered, scoring),
    groups: partsOf(answered).slice(1).map((tags) => ({ tags, ...scoreOf(answered.filter((question) => hasTags(question.tags, tags)), scoring) })),
    subjects: subjects.map((subject) => ({ subject, ...scoreOf(answered.filter((question) => question.subject === subject), scoring) })),
  };
}

/** A report's headline figures under their stable names. */
export function choiceFigures({ questions, accuracy, normalizedAccuracy, chance }: ChoiceScore): Record<string, number> {
  return {
    "choice/accuracy": accuracy.value, "choice/accuracy_low": accuracy.low, "choice/accuracy_high": accuracy.high,
    ...(normalizedAccuracy && {
      "choice/normalized_accuracy": normalizedAccuracy.value, "choice/normalized_accuracy_low": normalizedAccuracy.low, "choice/normalized_accuracy_high": normalizedAccuracy.high,
    }),
    "choice/chance": chance, "choice/questions": questions,
  };
}

export function scoreOf(answered: readonly AnsweredQuestion[], scoring: Scoring): ChoiceScore {
  const accuracy = (normalized: boolean) => wilson(answered.filter((question) => chosenOf(question, normalized) === question.answer).length, answered.length);
  return {
    questions: answered.length, accuracy: accuracy(false), ...(scoring === "text" && { normalizedAccuracy: accuracy(true) }),
    chance: mean(answered.map(({ choices }) => 1 / choices.length)),
  };
}
