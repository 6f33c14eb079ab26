import { z } from "zod";
import { asAnswer, asPrompt, lastAnswer, messagesSchema, parseRow, turnsSchema, type Content } from "./row.js";

const schema = z.union([
  z.object({ messages: messagesSchema }),
  z.object({ prompt: turnsSchema, response: z.string() }),
], "neither {messages} nor {prompt, response}, or these are not of strings and {role, content} messages");

/** {prompt, response}, or {messages} that end with an assistant's turn. */
export function readDialogue(row: unknown): Content {
  const parsed = parseRow(schema, row);
  const { prompt, answer } = "messages" in parsed
    ? lastAnswer(parsed.messages, "messages")
    : { prompt: asPrompt(parsed.prompt), answer: parsed.response };
  return { is: "dialogue", prompt: asPrompt(prompt), answer: asAnswer(answer, "response") };
}
