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
}

// Pairs give dialogues (their chosen side) and prompts; whatever holds dialogues gives them as plain text too, so that
// one file can train a tokenizer and be pretrained on.
const pairs = ["pairs", "dialogues", "prompts", "text"] as const;
const dialogues = ["dialogues", "prompts", "text"] as const;

/** Every format of rows: what reads a row of it, and what its rows can serve as. */
const formats: Readonly<Record<DataFormat, Format>> = {
  "hh-rlhf": { read: readTranscripts, uses: pairs },
  preference: { read: readPreference, uses: pairs },
  dialogue: { read: readDialogue, uses: dialogues },
  "prompt-completion": { read: readPromptCompletion, uses: dialogues },
  prompt: { read: readPrompt, uses: ["prompts"] },
  text: { read: readText, uses: ["text"] },
  sharegpt: { read: readShareGpt, uses: dialogues },
  alpaca: { read: readAlpaca, uses: dialogues },
  moss: { read: readMossDialogue, uses: dialogues },
  "moss-prompt": { read: readMossPrompt, uses: ["prompts"] },
  "moss-preference": { read: readMossPreference, uses: pairs },
  "multiple-choice": { read: readMultipleChoice, uses: ["questions"] },
};

/** The uses that a data entry of this format can be put to. */
export function dataUses(format: DataFormat): readonly DataUse[] {
  return formats[format].uses;
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
