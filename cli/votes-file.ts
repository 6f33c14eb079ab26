import { existsSync } from "node:fs";
import { TruelineError } from "../foundation/errors.js";
import { containerOf } from "../data/container.js";
import { limitsNow } from "../data/containers/limits.js";
import { resolveDataPath } from "../data/paths.js";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { oneLinePattern } from "../foundation/text.js";
import type { Vote } from "../schemas/votes.js";
import { outcomeOfVote, type Side, type VotingPair } from "../training/votes.js";

const shownFaults = 10;

const rowSchema = z.object({ pair: z.string().optional(), vote: z.string().optional(), annotator: z.string().optional() });
const sides: ReadonlyMap<string, Side> = new Map([["first", "first"], ["second", "second"], ["tie", "tie"]]);

/** The form of a file of pairs or votes, by its name. Errors: TL_USAGE. */
export function votesFileFormat(file: string): "csv" | "jsonl" {
  const format = (["csv", "jsonl"] as const).find((each) => file.toLowerCase().endsWith(`.${each}`));
  if (format === undefined) throw new TruelineError("TL_USAGE", `${file} ends neither in .csv nor in .jsonl.`, { hint: "The ending says in which form the file is written." });
  return format;
}

/** What a file of votes is checked against. */
export interface VotesContext {
  readonly pairs: readonly VotingPair[];
  /** Those imported before. */
  readonly before: readonly Vote[];
  /** Of rows that name none. */
  readonly annotator?: string;
}

/**
 * The votes of a file, each checked: a pair of the evaluation, a vote that is one, and no pair twice by one annotator.
 * Errors: TL_VOTES_MISSING, TL_VOTES_INVALID with every fault's file and line; those of reading a file.
 */
export async function readVotes(file: string, { pairs, before, annotator: unnamed }: VotesContext): Promise<Vote[]> {
  votesFileFormat(file);
  if (!existsSync(file)) throw new TruelineError("TL_VOTES_MISSING", `${resolve(file)} is not there.`, { hint: "Name the file of votes: what `trueline export-pairs` wrote, with the votes filled in." });
  const path = await resolveDataPath(resolve(file), { specDirectory: ".", allowPaths: [dirname(resolve(file))] });
  const byId = new Map(pairs.map((pair) => [pair.id, pair]));
  const cast = new Map(before.map(({ annotator, pair }) => [`${annotator}\0${pair}`, "an import before"]));
  const votes: Vote[] = [];
  const faults: string[] = [];
  for await (const row of containerOf(path, "prompt")!(path, limitsNow())) {
    const fault = (what: string) => { faults.push(`${file}:${row.line}: ${what}`); };
    if ("fault" in row) {
      fault(row.fault);
      continue;
    }
    const { data } = rowSchema.safeParse(row.value);
    if (data === undefined) {
      fault("pair, vote and annotator are texts");
      continue;
    }
    const { pair: id = "", vote = "", annotator = unnamed ?? "" } = { ...data, ...(data.annotator?.trim() === "" && { annotator: undefined }) };
    if (vote.trim() === "") continue;
    const [pair, side] = [byId.get(id.trim()), sides.get(vote.trim().toLowerCase())];
    const place = `${annotator.trim()}\0${id.trim()}`;
    if (pair === undefined) fault(`${JSON.stringify(id)} is no pair of this evaluation`);
    else if (side === undefined) fault(`vote is ${JSON.stringify(vote)}; it is one of first, second, tie`);
    else if (annotator.trim() === "") fault("annotator is empty; name one in the row, or for all rows with --annotator");
    else if (annotator.length > 100 || !oneLinePattern.test(annotator)) fault("annotator is longer than 100 characters or holds control characters");
    else if (cast.has(place)) fault(`${annotator.trim()} has voted on pair ${id.trim()} already, in ${cast.get(place)!}`);
    else {
      cast.set(place, `line ${row.line}`);
      votes.push({ annotator: annotator.trim(), pair: pair.id, outcome: outcomeOfVote(side, pair) });
    }
  }
  if (faults.length > 0) {
    const more = faults.length > shownFaults ? `\n… and ${faults.length - shownFaults} more` : "";
    throw new TruelineError("TL_VOTES_INVALID", `Nothing was imported:\n${faults.slice(0, shownFaults).join("\n")}${more}`, { hint: "Mend the lines named, then import the file again." });
  }
  if (votes.length === 0) throw new TruelineError("TL_VOTES_INVALID", `${file} holds no vote.`, { hint: "A row votes with first, second or tie in its member `vote`." });
  return votes;
}
