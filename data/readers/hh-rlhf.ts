import { z } from "zod";
import { RowFault } from "../fault.js";
import type { Message } from "../types.js";
import { pairOfDialogues, parseRow, type Content } from "./row.js";

const schema = z.object({ chosen: z.string("not a string"), rejected: z.string("not a string") });

const roles = new Map<string | undefined, Message["role"]>([["Human", "user"], ["Assistant", "assistant"]]);

/** Anthropic's transcripts: `chosen` and `rejected` whole, "\n\nHuman: …\n\nAssistant: …", the prompt common to both. */
export function readTranscripts(row: unknown): Content {
  const { chosen, rejected } = parseRow(schema, row);
  return pairOfDialogues(turns(chosen, "chosen"), turns(rejected, "rejected"));
}

/** A transcript's turns. The same speaker twice in a row, as some rows have it, is one turn. Throws RowFault. */
function turns(transcript: string, member: string): Message[] {
  const [before = "", ...parts] = transcript.split(/(?:^|\n\n)(Human|Assistant):/);
  if (before.trim() !== "" || parts.length === 0) throw new RowFault(`${member} does not start with "\\n\\nHuman:"`);
  const messages: Message[] = [];
  for (let index = 0; index < parts.length; index += 2) {
    const role = roles.get(parts[index])!;
    const content = parts[index + 1]!.trim();
    const last = messages.at(-1);
    if (last?.role === role) messages[messages.length - 1] = { role, content: `${last.content}\n\n${content}` };
    else messages.push({ role, content });
  }
  return messages;
}
