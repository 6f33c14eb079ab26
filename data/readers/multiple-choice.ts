import { z } from "zod";
import { RowFault } from "../fault.js";
import { hasMember, parseRow, type Content } from "./row.js";

/** The letters that choices may have, in order. */
export const choiceLetters = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J"] as const;

const text = z.union([z.string(), z.number()], "not a text").transform(String);
const schema = z.object({ question: text, answer: text, ...Object.fromEntries(choiceLetters.map((letter) => [letter, text.optional()])) });
const choiceOf = z.record(z.string(), z.unknown());

/**
 * {question, A, B, C, D, answer}: C-Eval's columns, of which `id` and `explanation` are not read; two to ten choices, without a
 * gap, no two alike. `answer` is the letter of the right one, a small one too. Source: Huang et al., "C-Eval" (arXiv 2305.08322).
 */
export function readMultipleChoice(row: unknown): Content {
  if (!hasMember(row, "answer")) throw new RowFault("answer: missing; without the right letter nothing can be measured");
  const { question, answer } = parseRow(schema, row);
  const cells = choiceOf.parse(row);
  const found = choiceLetters.filter((letter) => cells[letter] !== undefined && cells[letter] !== null);
  if (found.length < 2) throw new RowFault(`${found.length === 0 ? "no choices" : "one choice"}; they are members A, B, C, …`);
  if (found.at(-1) !== choiceLetters[found.length - 1]) throw new RowFault(`choices ${found.join(", ")}: one between them is missing`);
  const right = found.findIndex((letter) => letter === answer.trim().toUpperCase());
  if (right < 0) throw new RowFault(`answer: ${JSON.stringify(answer)} is none of ${found.join(", ")}`);
  if (question.trim() === "") throw new RowFault("question is empty");
  const choices = found.map((letter) => String(cells[letter]).trim());
  const twice = choices.findIndex((choice, index) => choices.indexOf(choice) < index);
  if (twice >= 0) throw new RowFault(`choices ${found[choices.indexOf(choices[twice]!)]} and ${found[twice]} are the same: ${JSON.stringify(choices[twice])}`);
  return { is: "question", question: question.trim(), choices, answer: right };
}
