import { z } from "zod";
import { asPrompt, parseRow, turnsSchema, type Content } from "./row.js";

const schema = z.object({ prompt: turnsSchema });

/** {prompt}: a string, or messages that end with a user's turn. */
export function readPrompt(row: unknown): Content {
  return { is: "prompt", prompt: asPrompt(parseRow(schema, row).prompt) };
}
