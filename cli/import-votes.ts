import { z } from "zod";
import { counted } from "../foundation/text.js";
import { votingPairs } from "../training/votes.js";
import { actor } from "./actor.js";
import { defineCommand, jsonOption } from "./command.js";
import { readEvaluation } from "./evaluation.js";
import { reasonOption } from "./order.js";
import { openStore } from "./store.js";
import { readVotes } from "./votes-file.js";

/** `trueline import-votes RUN STAGE FILE`: counts what people say of an evaluation's pairs. */
export const importVotesCommand = defineCommand({
  name: "import-votes",
  arguments: "<run> <stage> <file>",
  summary: "take people's votes on an evaluation's pairs into the run's ledger",
  details: "FILE is what export-pairs wrote, with votes; of its columns only pair, vote and annotator are read. One fault in it, and nothing is imported.",
  examples: ["trueline import-votes quickstart-20260101-abcdef eval pairs.csv --annotator ada"],
  options: {
    json: jsonOption, reason: reasonOption,
    annotator: { flags: "--annotator <name>", summary: "who voted, where a row does not say", schema: z.string().min(1).optional() },
  },
  async run({ arguments: [run = "", name = "", file = ""], options, output }) {
    const store = openStore();
    const { answered, artifact, judging, votes: before } = await readEvaluation(store, run, name);
    const votes = await readVotes(file, { pairs: votingPairs(answered, judging.seed), before, ...(options.annotator !== undefined && { annotator: options.annotator }) });
    await store.ledger.append(run, { type: "votes-imported", stage: name, artifact, votes, actor: actor(), ...(options.reason !== undefined && { reason: options.reason }) });
    const annotators = new Set(votes.map(({ annotator }) => annotator)).size;
    if (options.json) output.json({ run, stage: name, votes: votes.length, annotators, before: before.length });
    else output.data(`Imported ${counted(votes.length, "vote")} of ${counted(annotators, "person", "people")}. See them with: trueline votes ${run} ${name}`);
    return undefined;
  },
});
