import { combineDatasets as combine, readDataset as read, type Dataset, type DataSource } from "../../data/dataset.js";
import type { Rows } from "../../data/row-list.js";
import type { DialogueRow, PairRow, PromptRow, QuestionRow, TextRow } from "../../data/types.js";
import type { DataUse } from "../../schemas/stages/table.js";

interface Sides<Row> {
  readonly train: Row[];
  readonly heldOut: Row[];
}

/** A dataset whose rows are all in memory. */
export interface HeldDataset {
  readonly text: Sides<TextRow>;
  readonly dialogues: Sides<DialogueRow>;
  readonly pairs: Sides<PairRow>;
  readonly prompts: Sides<PromptRow>;
  readonly questions: Sides<QuestionRow>;
  readonly counts: Dataset["counts"];
}

const held = ({ text, dialogues, pairs, prompts, questions, counts }: Dataset): HeldDataset => {
  const both = <Row>({ train, heldOut }: { readonly train: Rows<Row>; readonly heldOut: Rows<Row> }): Sides<Row> => ({ train: [...train], heldOut: [...heldOut] });
  return { text: both(text), dialogues: both(dialogues), pairs: both(pairs), prompts: both(prompts), questions: both(questions), counts };
};

export const readDataset = async (source: DataSource, uses?: readonly DataUse[]): Promise<HeldDataset> => held(await read(source, uses));

export const combineDatasets = (datasets: readonly Dataset[]): HeldDataset => held(combine(datasets));
