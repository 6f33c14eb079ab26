import { access } from "node:fs/promises";
import { resolve } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import { writeDurably } from "../foundation/files.js";
import { counted } from "../foundation/text.js";
import { shownPair, votingPairs } from "../training/votes.js";
import { defineCommand, jsonOption } from "./command.js";
import { readEvaluation } from "./evaluation.js";
import { wholeNumber } from "./numbers.js";
import { writtenAt } from "./place.js";
import { openStore } from "./store.js";
import { votesFileFormat } from "./votes-file.js";

const columns = ["pair", "prompt", "first", "second", "vote", "annotator"] as const;

/** `trueline export-pairs RUN STAGE FILE`: an evaluation's answers for people to compare. */
export const exportPairsCommand = defineCommand({
  name: "export-pairs",
  arguments: "<run> <stage> <file>",
  summary: "write an evaluation's answers as blinded pairs, for people to vote on",
  details: "A row is a prompt with two answers, whose sides and order are shuffled by the evaluation's seed; nothing in the file says which is whose.\n"
    + "People write first, second or tie into `vote` and their name into `annotator`; rows without a vote are no votes. FILE ends in .csv or .jsonl.",
  examples: ["trueline export-pairs quickstart-20260101-abcdef eval pairs.csv", "trueline export-pairs quickstart-20260101-abcdef eval pairs.jsonl --most 100"],
  options: {
    json: jsonOption,
    most: { flags: "--most <number>", summary: "write so many pairs, spread over the prompts' tags (default: all)", schema: wholeNumber(1).optional() },
  },
  async run({ arguments: [run = "", name = "", file = ""], options, output }) {
    const format = votesFileFormat(file);
    const { answered, judging } = await readEvaluation(openStore(), run, name);
    const path = resolve(file);
    if (await access(path).then(() => true, () => false)) throw new TruelineError("TL_EXPORT_EXISTS", `${path} exists.`, { hint: "Name a file that does not exist yet: it may hold votes." });
    const rows = votingPairs(answered, judging.seed, options.most).map((pair) => ({ ...shownPair(pair), vote: "", annotator: "" }));
    await writtenAt(path, () => writeDurably(path, format === "csv" ? csv(rows) : rows.map((row) => `${JSON.stringify(row)}\n`).join("")));
    if (options.json) output.json({ run, stage: name, file: path, pairs: rows.length });
    else output.data(`Wrote ${counted(rows.length, "pair")} to ${path}. Count what people say with: trueline import-votes ${run} ${name} FILE`);
    return undefined;
  },
});

function csv(rows: readonly Readonly<Record<(typeof columns)[number], string>>[]): string {
  const cell = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll("\"", "\"\"")}"` : text);
  return [columns.join(","), ...rows.map((row) => columns.map((column) => cell(row[column])).join(","))].map((line) => `${line}\r\n`).join("");
}
