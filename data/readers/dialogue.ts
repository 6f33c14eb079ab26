import { z } from "zod";
import { asAnswer, asDialogue, asPrompt, hasMember, messagesSchema, parseRow, turnsSchema, type Content } from "./row.js";

const messagesRow = z.object({ messages: messagesSchema });
const exchangeRow = z.object({ prompt: turnsSchema, response: z.string("not a string") });

/** {messages} that end with an assistant's turn, or {prompt, response}. */
export function readDialogue(row: unknown): Content {
  if (hasMember(row, "messages")) return asDialogue(parseRow(messagesRow, row).messages, "messages");
  const { prompt, response } = parseRow(exchangeRow, row);
  return { is: "dialogue", prompt: asPrompt(prompt), answer: asAnswer(response, "response") };
}
