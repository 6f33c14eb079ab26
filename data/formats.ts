import { dataFormats, type DataFormat } from "../schemas/spec.js";
import type { DataUse } from "../schemas/stages/table.js";
import { RowFault } from "./fault.js";
import { readAlpaca } from "./readers/alpaca.js";
import { readDialogue } from "./readers/dialogue.js";
import { readTranscripts } from "./readers/hh-rlhf.js";
import { readMossDialogue, readMossPreference, readMossPrompt } from "./readers/moss.js";
import { readMultipleChoice } from "./readers/multiple-choice.js";
import { readPreference } from "./readers/preference.js";
import { readPromptCompletion } from "./readers/prompt-completion.js";
import { readPrompt } from "./readers/prompt.js";
import type { Reader } from "./readers/row.js";
import { readShareGpt } from "./readers/sharegpt.js";
import { readText } from "./readers/text.js";

interface Format {
  readonly read: Reader;
  readonly uses: readonly DataUse[];
  /** Members of its rows, as the header line of a csv names them; none where a row is a list. */
  readonly columns: readonly string[];
}

// Pairs give dialogues (their chosen side) and prompts; whatever holds dialogues gives them as plain text too, so that
// one file can train a tokenizer and be pretrained on.
const pairs = ["pairs", "dialogues", "prompts", "text"] as const;
const dialogues = ["dialogues", "prompts", "text"] as const;

/** Every format of rows: what reads a row of it, and what its rows can serve as. */
const formats: Readonly<Record<DataFormat, Format>> = {
  "hh-rlhf": { read: readTranscripts, uses: pairs, columns: ["chosen", "rejected"] },
  preference: { read: readPreference, uses: pairs, columns: ["prompt", "chosen", "rejected"] },
  dialogue: { read: readDialogue, uses: dialogues, columns: ["messages", "prompt", "response"] },
  "prompt-completion": { read: readPromptCompletion, uses: dialogues, columns: ["prompt", "completion"] },
  prompt: { read: readPrompt, uses: ["prompts"], columns: ["prompt"] },
  text: { read: readText, uses: ["text"], columns: ["text"] },
  sharegpt: { read: readShareGpt, uses: dialogues, columns: ["conversations"] },
  alpaca: { read: readAlpaca, uses: dialogues, columns: ["instruction", "input", "output"] },
  moss: { read: readMossDialogue, uses: dialogues, columns: [] },
  "moss-prompt": { read: readMossPrompt, uses: ["prompts"], columns: [] },
  "moss-preference": { read: readMossPreference, uses: pairs, columns: ["chosen", "rejected"] },
  "multiple-choice": { read: readMultipleChoice, uses: ["questions"], columns: ["question", "A", "B", "C", "D", "answer"] },
};

/** The uses that a data entry of this format can be put to. */
export function dataUses(format: DataFormat): readonly DataUse[] {
  return formats[format].uses;
}

/** The members that rows of this format have, in the order in which people write them; none where a row is a list. */
export function columnsOf(format: DataFormat): readonly string[] {
  return formats[format].columns;
}

/** What reads a row of this format. */
export function readerOf(format: DataFormat): Reader {
  return formats[format].read;
}

/** The formats that all of some rows can be read as: said to people, never taken without their word. */
export function fittingFormats(rows: readonly unknown[]): DataFormat[] {
  return rows.length === 0 ? [] : dataFormats.options.filter((format) => rows.every((row) => isReadable(row, formats[format].read)));
}

function isReadable(row: unknown, read: Reader): boolean {
  try {
    read(row);
    return true;
  } catch (error) {
    if (error instanceof RowFault) return false;
    throw error;
  }
}
