import { z } from "zod";
import type { Message } from "../types.js";
import { asAnswer, asPrompt, parseRow, type Content } from "./row.js";

const exchange = z.tuple([z.string(), z.string()], "an exchange is a list of two strings");

const schema = z.object({
  instruction: z.string("not a string"), input: z.string("not a string").nullish(), output: z.string("not a string"),
  system: z.string("not a string").nullish(), history: z.array(exchange, "not a list of exchanges").nullish(),
});

/**
 * Alpaca's {instruction, input, output}, and LLaMA-Factory's `system` and `history` beside them. A prompt is the
 * instruction, and the input on the next line where there is one: no template of Alpaca's, for the model's own is used.
 */
export function readAlpaca(row: unknown): Content {
  const { instruction, input, output, system, history } = parseRow(schema, row);
  const asked = input == null || input === "" ? instruction : `${instruction}\n${input}`;
  const earlier = (history ?? []).flatMap(([question, answer]): Message[] => [{ role: "user", content: question }, { role: "assistant", content: answer }]);
  const prompt: readonly Message[] = [
    ...(system == null || system === "" ? [] : [{ role: "system", content: system } as const]), ...earlier, { role: "user", content: asked },
  ];
  return { is: "dialogue", prompt: asPrompt(prompt), answer: asAnswer(output, "output") };
}
