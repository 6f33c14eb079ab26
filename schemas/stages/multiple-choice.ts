import { z } from "zod";
import { rowCount } from "../counts.js";
import { operationalParameters, reference } from "./common.js";

export const multipleChoiceParameters = z.strictObject({
  kind: z.literal("multiple-choice"),
  description: z.string().optional(),
  seed: z.number().int().min(0).optional(),
  model: reference("a language model"),
  questions: reference("a data entry with questions; all of them are asked, whatever it holds out"),
  shots: reference("a data entry with questions that are shown with their answers, those of a question's own subject").optional(),
  fewShot: z.number().int().min(0).max(10_000).default(5).describe("Examples before a question, the first of its subject in `shots`; as many as fit the context. None without `shots`."),
  maxQuestions: rowCount.optional().describe("Asks this many, drawn so that subjects and tags keep their shares; default: all."),
  scoring: z.enum(["letter", "text"]).default("letter")
    .describe("letter: the choices are listed, and the likeliest of their letters is the answer, as in C-Eval. text: only the question is shown, and the likeliest choice is the answer, also by likelihood a character; for models too small to know what letters stand for."),
  form: z.enum(["plain", "chat"]).default("plain").describe("Questions and examples as running text, or as turns in the model's chat template."),
  batch: rowCount.default(16).describe("Questions a step."),
  ...operationalParameters,
}).describe("Answers multiple-choice questions by likelihood, few-shot: accuracy by subject and tag with 95 % intervals. What PPO loses of it is the alignment tax (P §6).");
