import { z } from "zod";
import { RowFault } from "../fault.js";
import { answerTo, asAnswer, asPrompt, hasMember, parseRow, turnsSchema, type Content } from "./row.js";

const schema = z.object({ prompt: turnsSchema, completion: turnsSchema });

/** TRL's {prompt, completion}: each a string, or messages. */
export function readPromptCompletion(row: unknown): Content {
  if (hasMember(row, "label")) {
    throw new RowFault("label: an unpaired preference is for KTO, which no stage trains; keep the rows whose label is true without it, or make pairs of format preference");
  }
  const { prompt, completion } = parseRow(schema, row);
  return { is: "dialogue", prompt: asPrompt(prompt), answer: asAnswer(answerTo(prompt, completion, "completion"), "completion") };
}
