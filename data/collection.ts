import { basename } from "node:path";
import type { DataUse } from "../schemas/stages/table.js";
import { jsonCodec, SpilledRows } from "./row-list.js";
import type { ReadRow } from "./rows.js";
import type { DialogueRow, Message, PairRow, PromptRow, QuestionRow, TextRow } from "./types.js";

/** Rows of one side of a split, in the uses that are wanted. */
export class Collection {
  readonly text: SpilledRows<TextRow>;
  readonly dialogues: SpilledRows<DialogueRow>;
  readonly pairs: SpilledRows<PairRow>;
  readonly prompts: SpilledRows<PromptRow>;
  readonly questions: SpilledRows<QuestionRow>;

  /** @param folder where rows go that memory should not hold. */
  constructor(private readonly wanted: ReadonlySet<DataUse>, folder?: string) {
    this.text = new SpilledRows(jsonCodec(), folder);
    this.dialogues = new SpilledRows(jsonCodec(), folder);
    this.pairs = new SpilledRows(jsonCodec(), folder);
    this.prompts = new SpilledRows(jsonCodec(), folder);
    this.questions = new SpilledRows(jsonCodec(), folder);
  }

  /** Adds a row in every wanted use that its content can serve as; its prompt only if it is `first` to have it. */
  add({ line, content, tags }: ReadRow, file: string, first: boolean): void {
    const row = { source: { file, line }, tags };
    if (content.is === "text") {
      if (this.wanted.has("text")) this.text.push({ ...row, text: content.text });
      return;
    }
    if (content.is === "question") {
      const { question, choices, answer } = content;
      if (first && this.wanted.has("questions")) this.questions.push({ ...row, question, choices, answer, subject: tags["subject"] ?? subjectOf(file) });
      return;
    }
    if (first && this.wanted.has("prompts")) this.prompts.push({ ...row, messages: content.prompt });
    if (content.is === "prompt") return;
    const answer = content.is === "pair" ? content.chosen : content.answer;
    const messages: readonly Message[] = [...content.prompt, { role: "assistant", content: answer }];
    if (this.wanted.has("dialogues")) this.dialogues.push({ ...row, messages });
    if (this.wanted.has("text")) this.text.push({ ...row, text: transcript(messages) });
    if (content.is === "pair" && this.wanted.has("pairs")) {
      this.pairs.push({ ...row, prompt: content.prompt, chosen: content.chosen, rejected: content.rejected });
    }
  }
}

/** C-Eval's files are named as in "law_val.csv". */
function subjectOf(file: string): string {
  return basename(file).replace(/\..*$/, "").replace(/_(dev|val|test)$/, "");
}

const speakers: Readonly<Record<Message["role"], string>> = { system: "System", user: "User", assistant: "Assistant" };

/** A dialogue as plain text, for tokenizers and pretraining. */
function transcript(messages: readonly Message[]): string {
  return messages.map(({ role, content }) => `${speakers[role]}: ${content}`).join("\n\n");
}
