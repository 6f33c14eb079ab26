import { z } from "zod";
import { RowFault } from "../fault.js";
import { answerTo, asPair, pairOfDialogues, parseRow, turnsSchema, type Content } from "./row.js";

const schema = z.object({ prompt: turnsSchema.optional(), chosen: turnsSchema, rejected: turnsSchema });

/**
 * {prompt, chosen, rejected}: each a string, or messages. The answers may repeat the prompt before their own turn, and
 * when they do `prompt` may be left out: it is what both share. Of two strings without a prompt it is their common start.
 */
export function readPreference(row: unknown): Content {
  const { prompt, chosen, rejected } = parseRow(schema, row);
  if (prompt !== undefined) return asPair(prompt, answerTo(prompt, chosen, "chosen"), answerTo(prompt, rejected, "rejected"));
  if (typeof chosen === "string" && typeof rejected === "string") return pairOfStrings(chosen, rejected);
  if (typeof chosen === "string" || typeof rejected === "string") throw new RowFault("no prompt, and of chosen and rejected one is a string and one is messages");
  return pairOfDialogues(chosen, rejected);
}

/** As in TRL's `extract_prompt`: the common start is the prompt, and a space before the difference is the answers'. */
function pairOfStrings(chosen: string, rejected: string): Content {
  if ([chosen, rejected].every((side) => /^\s*Human:/.test(side))) throw new RowFault("no prompt; these are transcripts, of format hh-rlhf");
  if (chosen === rejected) throw new RowFault("chosen and rejected are the same");
  let common = 0;
  while (common < chosen.length && chosen[common] === rejected[common]) common++;
  if (common > 0 && chosen[common - 1] === " ") common--;
  if (common === 0) throw new RowFault("no prompt, and chosen and rejected have no common start that could be one");
  return asPair(chosen.slice(0, common), chosen.slice(common), rejected.slice(common));
}
