import { selected, type Rows } from "../data/row-list.js";
import type { DialogueRow, PairRow, PromptRow, QuestionRow, Source, TextRow } from "../data/types.js";
import { mapBreathing } from "../foundation/breath.js";
import type { Tokenizer } from "../models/tokenizer.js";
import type { DataUse } from "../schemas/stages/table.js";
import { pairFitting } from "./pairs.js";
import { promptFitting } from "./prompts.js";
import { fitRows, type RowFitting, type RowLimits } from "./row-limits.js";
import { dialogueFitting } from "./sft.js";

/** The rows of one use and side. */
export type RowsByUse = {
  readonly text: Rows<TextRow>; readonly dialogues: Rows<DialogueRow>; readonly pairs: Rows<PairRow>; readonly prompts: Rows<PromptRow>;
  readonly questions: Rows<QuestionRow>;
};

export interface ViewOptions {
  /** Undefined where the stage's is not to be had: lengths are then of characters, and nothing is measured against limits. */
  readonly tokenizer: Tokenizer | undefined;
  /** Undefined for text, of which no row is too long. */
  readonly limits: (RowLimits & { readonly maxNewTokens: number; readonly context: number }) | undefined;
  readonly samples: number;
}

/** What a stage makes of the rows of a use. */
export interface DataView {
  readonly unit: "tokens" | "characters";
  /** Of a row; a prompt's with the room for its answer, a pair's of its longer side. Undefined where there is no row. */
  readonly lengths: { readonly min: number; readonly median: number; readonly p95: number; readonly max: number } | undefined;
  /** Rows that the stage uses, leaves out, and cuts; undefined where its limits are not known. */
  readonly fitted: { readonly used: number; readonly dropped: number; readonly cut: number } | undefined;
  /** The first rows as the model sees them, special tokens and all. */
  readonly samples: readonly string[];
}

/** Looks at rows as a stage that reads them for `use` does. */
export async function viewRows(use: DataUse, rows: RowsByUse, { tokenizer, limits, samples }: ViewOptions): Promise<DataView> {
  const room = { maxNewTokens: limits?.maxNewTokens ?? 0 };
  const show = (tokens: Int32Array) => tokenizer!.decode(tokens);
  switch (use) {
    case "text":
      return tokenizer === undefined ? inCharacters(rows.text, samples, ({ text }) => text)
        : view(rows.text, textFitting(tokenizer), undefined, samples, show);
    case "dialogues":
      return tokenizer === undefined ? inCharacters(rows.dialogues, samples, ({ messages }) => said(messages))
        : view(rows.dialogues, dialogueFitting(tokenizer), limits, samples, ({ tokens }) => show(tokens));
    case "pairs":
      return tokenizer === undefined ? inCharacters(rows.pairs, samples, ({ prompt, chosen, rejected }) => `${said(prompt)}\nchosen: ${chosen}\nrejected: ${rejected}`)
        : view(rows.pairs, pairFitting(tokenizer), limits, samples, ({ chosen, rejected }) => `chosen: ${show(chosen.tokens)}\nrejected: ${show(rejected.tokens)}`);
    case "prompts":
      return tokenizer === undefined ? inCharacters(rows.prompts, samples, ({ messages }) => said(messages))
        : view(rows.prompts, promptFitting(tokenizer, room), limits, samples, show);
    case "questions":
      return inCharacters(rows.questions, samples, ({ question, choices, answer }) => [question, ...choices.map((choice, index) => `${index === answer ? "*" : " "} ${choice}`)].join("\n"));
  }
}

async function view<Row extends { readonly source: Source }, Encoded>(
  rows: Rows<Row>, fitting: RowFitting<Row, Encoded>, limits: ViewOptions["limits"], samples: number, show: (encoded: Encoded) => string,
): Promise<DataView> {
  const lengths = await mapBreathing(rows, (row) => fitting.length(fitting.encode(row)));
  const shown = await mapBreathing(first(rows, samples), (row) => show(fitting.encode(row)));
  return { unit: "tokens", lengths: spread(lengths), fitted: limits && await fittedCounts(rows, lengths, fitting, limits), samples: shown };
}

/** Only rows that are too long are tried out. */
async function fittedCounts<Row extends { readonly source: Source }, Encoded>(
  rows: Rows<Row>, lengths: readonly number[], fitting: RowFitting<Row, Encoded>, limits: NonNullable<ViewOptions["limits"]>,
): Promise<NonNullable<DataView["fitted"]>> {
  const longest = Math.min(limits.maxTokens ?? limits.context, limits.context);
  const tooLong = lengths.flatMap((length, index) => (length > longest ? [index] : []));
  const { counts } = await fitRows(selected(rows, tooLong), { ...limits, maxTooLongShare: 1 }, limits.context, fitting);
  return { used: lengths.length - counts.dropped, dropped: counts.dropped, cut: counts.cut };
}

async function inCharacters<Row>(rows: Rows<Row>, samples: number, text: (row: Row) => string): Promise<DataView> {
  return { unit: "characters", lengths: spread(await mapBreathing(rows, (row) => text(row).length)), fitted: undefined, samples: Array.from(first(rows, samples), text) };
}

function textFitting(tokenizer: Tokenizer): RowFitting<TextRow, Int32Array> {
  return { encode: ({ text }) => tokenizer.encode(text), toTokens: (tokens) => [tokens], fromTokens: ([tokens]) => tokens!, length: ({ length }) => length, cut: () => undefined };
}

function said(messages: PromptRow["messages"]): string {
  return messages.map(({ role, content }) => `${role}: ${content}`).join("\n");
}

function first<Row>(rows: Rows<Row>, count: number): Rows<Row> {
  return selected(rows, Array.from({ length: Math.min(count, rows.length) }, (_, index) => index));
}

function spread(lengths: readonly number[]): DataView["lengths"] {
  if (lengths.length === 0) return undefined;
  const sorted = Float64Array.from(lengths).sort();
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? sorted[0]!;
  return { min: sorted[0]!, median: at(0.5), p95: at(0.95), max: sorted.at(-1)! };
}
