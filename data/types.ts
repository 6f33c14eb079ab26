import type { Rows } from "./row-list.js";

/** One turn of a dialogue. */
export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** Where a row came from, for messages about it. */
export interface Source {
  readonly file: string;
  readonly line: number;
}

interface Row {
  readonly source: Source;
  /** Facts that the file states about the row, such as its language; reports group by them. */
  readonly tags: Readonly<Record<string, string>>;
}

/** Running text. */
export interface TextRow extends Row {
  readonly text: string;
}

/** A dialogue that ends with an assistant's turn. */
export interface DialogueRow extends Row {
  readonly messages: readonly Message[];
}

/** A dialogue that ends with a user's turn. */
export interface PromptRow extends Row {
  readonly messages: readonly Message[];
}

/** A prompt with a preferred and a dispreferred answer. */
export interface PairRow extends Row {
  readonly prompt: readonly Message[];
  readonly chosen: string;
  readonly rejected: string;
}

/** A question with choices, of which one is right. */
export interface QuestionRow extends Row {
  readonly question: string;
  readonly choices: readonly string[];
  /** Index of the right choice. */
  readonly answer: number;
  /** What it is about: the row's tag `subject`, else the name of its file, as C-Eval has a file a subject. */
  readonly subject: string;
}

/** A data entry's two parts. Which part a row is in follows from a hash of its group, or of its prompt or text. */
export interface Split<Row> {
  readonly train: Rows<Row>;
  readonly heldOut: Rows<Row>;
}
