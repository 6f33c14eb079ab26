import { z } from "zod";
import type { Message } from "../types.js";
import { asDialogue, parseRow, type Content } from "./row.js";

const speakers = { system: "system", human: "user", user: "user", gpt: "assistant", assistant: "assistant", chatgpt: "assistant" } as const;
const names = z.enum(["system", "human", "user", "gpt", "assistant", "chatgpt"], `\`from\` is one of ${Object.keys(speakers).join(", ")}`);

const schema = z.object({
  conversations: z.array(z.object({ from: names, value: z.string("a turn's `value` is a string") }), "not a list of {from, value} turns").min(1, "no turns"),
  system: z.string("not a string").nullish(),
});

/** ShareGPT's {conversations: [{from, value}]} that ends with the assistant; `system` may stand beside it. */
export function readShareGpt(row: unknown): Content {
  const { conversations, system } = parseRow(schema, row);
  const turns = conversations.map(({ from, value }): Message => ({ role: speakers[from], content: value }));
  return asDialogue(system == null || system === "" ? turns : [{ role: "system", content: system }, ...turns], "conversations");
}
