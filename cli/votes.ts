import { resolve } from "node:path";
import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { writeDurably } from "../foundation/files.js";
import { judgeName } from "../reports/headline.js";
import { partName } from "../reports/judges.js";
import { figure, percent, percentRange } from "../reports/numbers.js";
import { renderReport } from "../reports/report.js";
import { nameOfInput } from "../schemas/plan.js";
import type { Interval, Judges } from "../schemas/report.js";
import { chatModelOf } from "../schemas/stages/evaluate.js";
import { countVotes } from "../training/votes.js";
import { defineCommand, jsonOption } from "./command.js";
import { readEvaluation } from "./evaluation.js";
import { table } from "./output.js";
import { writtenAt } from "./place.js";
import { openStore } from "./store.js";

/** `trueline votes RUN STAGE`: what people say of an evaluation, beside its other judges. */
export const votesCommand = defineCommand({
  name: "votes",
  arguments: "<run> <stage>",
  summary: "show people's votes on an evaluation beside what its judges say",
  details: "Of a pair, people say what more of them say than anything else; where no side has more, it is a tie. All figures are of the pairs that were voted on.",
  examples: ["trueline votes quickstart-20260101-abcdef eval", "trueline votes quickstart-20260101-abcdef eval --html votes.html"],
  options: {
    json: jsonOption,
    html: { flags: "--html <file>", summary: "write the evaluation's page with them in it", schema: z.string().min(1).optional() },
  },
  async run({ arguments: [run = "", name = ""], options, output }) {
    const { stage, answered, judging, votes, report } = await readEvaluation(openStore(), run, name);
    if (votes.length === 0) throw new TruelineError("TL_VOTES_NONE", `Nobody has voted on ${run}/${name}.`, { hint: `Write the pairs with: trueline export-pairs ${run} ${name} pairs.csv` });
    const { judges, annotators, annotatorAgreement } = countVotes(answered, votes, judging);
    if (options.html !== undefined) {
      const path = resolve(options.html);
      const names = { candidate: nameOfInput(stage.inputs["candidate"], "candidate"), baseline: nameOfInput(stage.inputs["baseline"], chatModelOf(stage.parameters) ?? "baseline") };
      const page = renderReport({ ...report, judges: { ...judges, agreement: [...judges.agreement, ...annotatorAgreement] } }, [], { title: `${name}: ${names.candidate} against ${names.baseline}, by people too`, names });
      await writtenAt(path, () => writeDurably(path, page));
      output.note(`Wrote ${path}`);
    }
    if (options.json) {
      output.json({ run, stage: name, annotators, judges, annotatorAgreement });
      return undefined;
    }
    output.data(table(["annotator", "votes"], annotators.map(({ annotator, votes: count }) => [annotator, String(count)]), [1]));
    output.data(`\n${table(["judge", "part", "pairs", "win", "tie", "lose"], judges.tables.flatMap(({ judge, groups }) =>
      groups.map(({ tags, prompts, win, tie, lose }) => [judgeName(judge), partName(tags), String(prompts), ...[win, tie, lose].map(rate)])), [2])}`);
    output.data(`\n${table(["agreement", "pairs", "same", "kappa"], [...judges.agreement, ...annotatorAgreement].map(agreementRow), [1])}`);
    return undefined;
  },
});

const rate = (interval: Interval): string => `${percent(interval.value)} (${percentRange(interval)})`;

function agreementRow({ judges: [first, second], comparisons, raw, kappa }: Judges["agreement"][number]): string[] {
  return [`${judgeName(first)} and ${judgeName(second)}`, String(comparisons), rate(raw), kappa === undefined ? "" : `${figure(kappa.value)} (${figure(kappa.low)} to ${figure(kappa.high)})`];
}
