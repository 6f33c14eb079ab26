import { access } from "node:fs/promises";
import { resolve } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import { writeDurably } from "../foundation/files.js";
import { counted } from "../foundation/text.js";
import { preferencePairs } from "../training/preference-pairs.js";
import { defineCommand, jsonOption } from "./command.js";
import { readEvaluation } from "./evaluation.js";
import { decimalNumber, wholeNumber } from "./numbers.js";
import { writtenAt } from "./place.js";
import { openStore } from "./store.js";

/** `trueline export-preferences RUN STAGE FILE`: pairs of a policy's answers, labelled by the gold score. */
export const exportPreferencesCommand = defineCommand({
  name: "export-preferences",
  arguments: "<run> <stage> <file>",
  summary: "write an evaluation's baseline answers as preference pairs, labelled by the gold score",
  details: "The baseline's answers to a prompt are compared with each other, so that all are of one policy; the evaluation needs `gold` and a `baselineSamples` of 2 or more.\n"
    + "FILE is of format preference, a row a line: a reward model can be trained on one policy's pairs and tested on another's.",
  examples: ["trueline export-preferences quickstart-20260101-abcdef eval sft-pairs.jsonl"],
  options: {
    json: jsonOption,
    margin: { flags: "--margin <score>", summary: "leave out pairs whose gold scores differ by no more", schema: decimalNumber("a number, 0 or more", (value) => value >= 0).default(0.05) },
    most: { flags: "--most <number>", summary: "pairs of a prompt at most, those that differ most", schema: wholeNumber(1).default(3) },
  },
  async run({ arguments: [run = "", name = "", file = ""], options, output }) {
    const { answered } = await readEvaluation(openStore(), run, name);
    const rows = preferencePairs(answered, options.margin, options.most);
    if (rows.length === 0) {
      throw new TruelineError("TL_EVALUATION_STAGE", `The evaluation ${run}/${name} has no two baseline answers to one prompt that differ in gold score by more than ${options.margin}.`, {
        hint: "Its stage needs `gold`, and `baselineSamples` of 2 or more.",
      });
    }
    const path = resolve(file);
    if (await access(path).then(() => true, () => false)) throw new TruelineError("TL_EXPORT_EXISTS", `${path} exists.`, { hint: "Name a file that does not exist yet." });
    await writtenAt(path, () => writeDurably(path, rows.map((row) => `${JSON.stringify(row)}\n`).join("")));
    if (options.json) output.json({ run, stage: name, file: path, pairs: rows.length });
    else output.data(`Wrote ${counted(rows.length, "pair")} to ${path}, of format preference.`);
    return undefined;
  },
});
