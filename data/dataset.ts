import { TruelineError } from "../foundation/errors.js";
import { formatShapes, type DataFormat } from "../schemas/spec.js";
import type { DataUse } from "../schemas/stages/table.js";
import { Collection } from "./collection.js";
import { dataUses, fittingFormats } from "./formats.js";
import { headerFault } from "./header.js";
import { readRows, type BadRow } from "./rows.js";
import { KeySet } from "./key-set.js";
import { indicesWhere, joined, selected, type Rows } from "./row-list.js";
import { isHeldOut, promptKey } from "./split.js";
import type { Content } from "./readers/row.js";
import type { DialogueRow, PairRow, PromptRow, QuestionRow, Split, TextRow } from "./types.js";

/** A data entry, its path resolved. */
export interface DataSource {
  readonly name: string;
  readonly format: DataFormat;
  readonly path: string;
  /** Where they are several, in their order; `path` then says where they were found. All rows of a file with a `side` are on that. */
  readonly files?: readonly { readonly path: string; readonly side?: "train" | "heldOut" }[];
  /** Share of the keys that is held out, of files without a side. */
  readonly holdout: number;
  /** More unusable rows than this share is an error. */
  readonly maxBadShare: number;
}

/** Rows by use; members of a use that was not asked for are empty. Each prompt is there once. */
export interface Dataset {
  readonly text: Split<TextRow>;
  readonly dialogues: Split<DialogueRow>;
  readonly pairs: Split<PairRow>;
  readonly prompts: Split<PromptRow>;
  readonly questions: Split<QuestionRow>;
  /**
   * By entry: `rows` in all, `bad` ones among them, usable ones in `train` and `heldOut`, and `duplicates`, rows whose
   * prompt an earlier row has.
   */
  readonly counts: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Of each entry, in the order of their rows: how many held-out pairs it has. */
  readonly heldOutPairs?: readonly { readonly entry: string; readonly count: number }[];
  /** Of a mixture, in the order of its rows: each entry's weight, and how many training rows it has by use. */
  readonly shares?: readonly { readonly weight: number; readonly train: Readonly<Record<DataUse, number>> }[];
}

/** Faults that a message shows. */
const shownFaults = 5;

export interface ReadOptions {
  /** Where rows go that memory should not hold; default: the system's folder for temporary files. */
  readonly folder?: string;
  /** Told of the rows read so far, every some thousand. */
  readonly onProgress?: (rows: number) => void;
}

const rowsAReport = 10_000;

/**
 * Reads and splits a data entry, in the `uses` named or in all that its format can serve as. A row is held out by the hash
 * of its group, else of its prompt, else of its text, so a prompt is on the same side in every file and in every use. Memory stays bounded whatever the size of the files: some 50 bytes a row, and rows on disk.
 *
 * Errors: TL_DATA_USE; TL_DATA_UNREADABLE; TL_DATA_BAD_ROWS with the first faults by file and line; TL_DATA_EMPTY.
 */
export async function readDataset(source: DataSource, uses?: readonly DataUse[], { folder, onProgress }: ReadOptions = {}): Promise<Dataset> {
  const { format } = source;
  for (const use of uses ?? []) checkUse(source.name, format, use);
  const wanted = new Set(uses ?? dataUses(format));
  const sides = { train: new Collection(wanted, folder), heldOut: new Collection(wanted, folder) };
  const count = { rows: 0, bad: 0, train: 0, heldOut: 0, duplicates: 0 };
  const faults: PlacedFault[] = [];
  const seen = new KeySet();
  for await (const { path, side: given, row } of rowsOf(source)) {
    if (++count.rows % rowsAReport === 0) onProgress?.(count.rows);
    if ("fault" in row) {
      count.bad++;
      if (faults.length < shownFaults) faults.push({ ...row, path });
      continue;
    }
    const key = keyOf(row.content);
    const side = given ?? (isHeldOut(row.group ?? key, source.holdout) ? "heldOut" : "train");
    const repeated = row.content.is !== "text" && !seen.add(key);
    count[side]++;
    if (repeated) count.duplicates++;
    sides[side].add(row, path, !repeated);
  }
  if (count.rows === 0) throw await empty(source);
  if (count.bad > source.maxBadShare * count.rows || count.bad === count.rows) throw await badRows(source, count, faults);
  const split = <Use extends DataUse>(use: Use) => ({ train: sides.train[use], heldOut: sides.heldOut[use] });
  return {
    text: split("text"), dialogues: split("dialogues"), pairs: split("pairs"), prompts: split("prompts"), questions: split("questions"),
    counts: { [source.name]: count },
  };
}

/** What a row is held out by, where it has no group, and what makes it a second time the same. */
function keyOf(content: Content): string {
  switch (content.is) {
    case "text": return content.text;
    case "question": return [content.question, ...content.choices].join("\n");
    case "prompt": case "dialogue": case "pair": return promptKey(content.prompt);
  }
}

interface PlacedFault extends BadRow {
  readonly path: string;
}

/** The rows of all files of an entry. Errors: TL_DATA_UNREADABLE. */
async function* rowsOf({ path, files = [{ path }], format }: Pick<DataSource, "path" | "files" | "format">) {
  for (const file of files) for await (const row of readRows(file.path, format)) yield { ...file, row };
}

/** Rows that a look reads at most, and faults after which a file without a good row is given up. */
const looked = { rows: 1000, faults: 20 } as const;

/**
 * Looks at a file's first rows only; `maxBadShare` is that of an entry which has no other file. Errors: TL_DATA_UNREADABLE, TL_DATA_EMPTY, or
 * TL_DATA_BAD_ROWS when none of the first 20 rows is of the entry's format, or when a file of no more than 1,000 has too many that are not.
 */
export async function checkDataset(source: Pick<DataSource, "name" | "format" | "path"> & Partial<Pick<DataSource, "maxBadShare">>): Promise<void> {
  const { maxBadShare } = source;
  const faults: PlacedFault[] = [];
  const count = { rows: 0, bad: 0 };
  for await (const { path, row } of rowsOf(source)) {
    count.rows++;
    if ("fault" in row) {
      count.bad++;
      if (faults.length < looked.faults) faults.push({ ...row, path });
    }
    const isAllBad = count.bad === count.rows;
    if (isAllBad ? count.bad === looked.faults : maxBadShare === undefined || count.rows > looked.rows) break;
  }
  if (count.rows === 0) throw await empty(source);
  if (count.bad === count.rows) {
    throw new TruelineError("TL_DATA_BAD_ROWS", `No row of the first ${faults.length} of ${source.path} can be read as ${source.format}:\n${listed(faults)}`, {
      hint: await formatHint(source.format, faults),
    });
  }
  const isWhole = maxBadShare !== undefined && count.rows <= looked.rows;
  if (isWhole && count.bad > maxBadShare * count.rows) throw await badRows({ ...source, maxBadShare }, count, faults.slice(0, shownFaults));
}

/** Several entries as one, in order, or as a mixture by weights; a prompt that an earlier entry has is left out. */
export function combineDatasets(datasets: readonly Dataset[], weights?: readonly number[]): Dataset {
  const both = <Row>(use: (dataset: Dataset) => Split<Row>): Split<Row> => ({
    train: joined(datasets.map((dataset) => use(dataset).train)),
    heldOut: joined(datasets.map((dataset) => use(dataset).heldOut)),
  });
  const seen = new KeySet();
  const once = (rows: Rows<PromptRow>): Rows<PromptRow> => datasets.length === 1 ? rows : selected(rows, indicesWhere(rows, ({ messages }) => seen.add(promptKey(messages))));
  const seenInTraining = new KeySet();
  const newPrompts = (rows: Rows<PromptRow>) => indicesWhere(rows, ({ messages }) => seenInTraining.add(promptKey(messages))).length;
  const prompts = both(({ prompts }) => prompts);
  return {
    text: both(({ text }) => text), dialogues: both(({ dialogues }) => dialogues), pairs: both(({ pairs }) => pairs),
    prompts: { train: once(prompts.train), heldOut: once(prompts.heldOut) }, questions: both(({ questions }) => questions),
    counts: Object.fromEntries(datasets.flatMap(({ counts }) => Object.entries(counts))),
    heldOutPairs: datasets.flatMap(({ counts, pairs }) => Object.keys(counts).map((entry) => ({ entry, count: pairs.heldOut.length }))),
    ...(weights !== undefined && {
      shares: datasets.map(({ text, dialogues, pairs, questions, prompts: own }, index) => ({
        weight: weights[index]!,
        train: { text: text.train.length, dialogues: dialogues.train.length, pairs: pairs.train.length, prompts: newPrompts(own.train), questions: questions.train.length },
      })),
    }),
  };
}

/** What rows of the format look like, and of which format those are that were found instead. */
async function formatHint(format: DataFormat, faults: readonly PlacedFault[]): Promise<string> {
  const fitting = fittingFormats(faults.flatMap(({ value }) => (value === undefined ? [] : [value])));
  const header = fitting.length === 0 && faults[0] !== undefined ? await headerFault(faults[0].path, format) : undefined;
  if (header !== undefined) return header;
  const shape = `A row of format ${format} is ${formatShapes[format]}`;
  return fitting.length === 0 ? `${shape}; docs/data.md shows one of each format.` : `${shape}; these can be read as ${fitting.join(" or ")}.`;
}

function checkUse(name: string, format: DataFormat, use: DataUse): void {
  if (dataUses(format).includes(use)) return;
  throw new TruelineError("TL_DATA_USE", `Data entry "${name}" is of format ${format}, which holds no ${use}.`, {
    hint: `It can serve as ${dataUses(format).join(", ")}.`,
  });
}

async function badRows(source: Pick<DataSource, "name" | "format" | "maxBadShare">, { bad, rows }: { bad: number; rows: number }, faults: readonly PlacedFault[]): Promise<TruelineError> {
  const more = bad > faults.length ? `\n… and ${bad - faults.length} more` : "";
  return new TruelineError(
    "TL_DATA_BAD_ROWS",
    `Data entry "${source.name}": ${bad} of ${rows} rows can't be read as ${source.format}; at most ${source.maxBadShare * 100} % may be.\n${listed(faults)}${more}`,
    { hint: await formatHint(source.format, faults) },
  );
}

function listed(faults: readonly PlacedFault[]): string {
  return faults.slice(0, shownFaults).map(({ path, line, fault }) => `  ${path}:${line}: ${fault}`).join("\n");
}

async function empty({ path, files: [first] = [{ path }], format }: Pick<DataSource, "path" | "files" | "format">): Promise<TruelineError> {
  const header = first && await headerFault(first.path, format);
  return new TruelineError("TL_DATA_EMPTY", `${path} holds no row.`, { hint: header ?? "Check that the path names the right file." });
}
