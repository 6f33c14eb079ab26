import { z } from "zod";
import { intervalSchema } from "./report.js";

/** File of a multiple-choice stage's artifact beside its report. */
export const CHOICES_FILE = "choices.jsonl";

/** A line of choices.jsonl: a question that was asked. */
export const answeredQuestionSchema = z.strictObject({
  question: z.string(),
  choices: z.array(z.string()),
  /** Index of the right choice. */
  answer: z.number().int(),
  subject: z.string(),
  tags: z.record(z.string(), z.string()),
  /** Examples that stood before it. */
  shots: z.number().int(),
  /** Of each choice, summed over its tokens. */
  logProbabilities: z.array(z.number()),
});

const scoreSchema = z.strictObject({
  questions: z.number().int(),
  /** Share of questions whose likeliest choice is the right one. */
  accuracy: intervalSchema,
  /** The same by likelihood a character; where choices are scored by their text. */
  normalizedAccuracy: intervalSchema.optional(),
  /** What guessing gets. */
  chance: z.number(),
});

/** report.json of a multiple-choice stage. */
export const choiceReportSchema = z.strictObject({
  version: z.literal(1),
  scoring: z.enum(["letter", "text"]),
  form: z.enum(["plain", "chat"]),
  fewShot: z.number().int(),
  /** Questions that stood behind fewer examples than `fewShot`. */
  fewerShots: z.number().int(),
  /** Questions that were not asked, because they are longer than the context. */
  tooLong: z.number().int(),
  intervals: z.string(),
  overall: scoreSchema,
  groups: z.array(scoreSchema.extend({ tags: z.record(z.string(), z.string()) })),
  subjects: z.array(scoreSchema.extend({ subject: z.string() })),
});

export type AnsweredQuestion = z.output<typeof answeredQuestionSchema>;
export type ChoiceScore = z.output<typeof scoreSchema>;
export type ChoiceReport = z.output<typeof choiceReportSchema>;
