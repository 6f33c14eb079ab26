import { z } from "zod";
import { RowFault } from "../fault.js";
import { alternating, asDialogue, asPrompt, pairOfDialogues, parseRow, type Content } from "./row.js";

// Source: the data readers of OpenLMLab/MOSS-RLHF, whose files are JSON arrays of such rows.
const turnsSchema = z.array(z.string("a turn is a string").min(1, "a turn is empty"), "not a list of turns").min(1, "no turns");
const pairSchema = z.object({ chosen: turnsSchema, rejected: turnsSchema });

/** A list of turns, the user's and the assistant's in alternation, from the user's to the assistant's. */
export function readMossDialogue(row: unknown): Content {
  const turns = parseRow(turnsSchema, row);
  if (turns.length % 2 !== 0) throw new RowFault(`${turns.length} turns, an odd number: from the user on, the last is the user's, who has no answer`);
  return asDialogue(alternating(turns, "assistant"), "the list");
}

/** A list of turns from the user's on; an answer at its end is left away. */
export function readMossPrompt(row: unknown): Content {
  const turns = parseRow(turnsSchema, row);
  return { is: "prompt", prompt: asPrompt(alternating(turns.length % 2 === 0 ? turns.slice(0, -1) : turns, "user")) };
}

/** {chosen, rejected}: two lists of turns that differ in the last one, which is the assistant's. */
export function readMossPreference(row: unknown): Content {
  const { chosen, rejected } = parseRow(pairSchema, row);
  return pairOfDialogues(alternating(chosen, "assistant"), alternating(rejected, "assistant"));
}
