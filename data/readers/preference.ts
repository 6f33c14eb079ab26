import { z } from "zod";
import { RowFault } from "../fault.js";
import type { Message } from "../types.js";
import { asPair, lastAnswer, pairOfDialogues, parseRow, sameTurns, turnsSchema, type Content, type Turns } from "./row.js";

const schema = z.object({ prompt: turnsSchema.optional(), chosen: turnsSchema, rejected: turnsSchema });

/**
 * {prompt, chosen, rejected}: each a string, or messages. The answers may repeat the prompt before their own turn, and
 * when they do `prompt` may be left out: it is what both share.
 */
export function readPreference(row: unknown): Content {
  const { prompt, chosen, rejected } = parseRow(schema, row);
  if (prompt !== undefined) return asPair(prompt, answerTo(prompt, chosen, "chosen"), answerTo(prompt, rejected, "rejected"));
  if (typeof chosen === "string" || typeof rejected === "string") {
    const transcripts = [chosen, rejected].every((side) => typeof side === "string" && /^\s*Human:/.test(side));
    throw new RowFault(transcripts ? "no prompt; these are transcripts, of format hh-rlhf" : "no prompt, and chosen and rejected are no messages that share one");
  }
  return pairOfDialogues(chosen, rejected);
}

/** An answer's text, without the prompt it may repeat. Throws RowFault when it is more than one assistant's turn. */
function answerTo(prompt: Turns, side: Turns, member: string): string {
  if (typeof side === "string") return side;
  const asked: readonly Message[] = typeof prompt === "string" ? [{ role: "user", content: prompt }] : prompt;
  const { prompt: before, answer } = lastAnswer(side, member);
  if (before.length > 0 && !sameTurns(asked, before)) throw new RowFault(`${member} holds turns before its answer that are not the prompt's`);
  return answer;
}
