import { digestOf } from "../foundation/canonical.js";
import { randomAt } from "../foundation/random.js";
import type { AnsweredPrompt, Judges, Outcome } from "../schemas/report.js";
import type { Vote } from "../schemas/votes.js";
import { outcomesOf, type Judging } from "./evaluation.js";
import { spreadSample } from "./evaluation-report.js";
import { agreementOf, compareJudges } from "./judge-tables.js";

/** A comparison that people vote on: a prompt, the candidate's answer, and the first of the baseline's. */
export interface VotingPair {
  /** Says nothing of which answer is whose. */
  readonly id: string;
  readonly answered: AnsweredPrompt;
  readonly candidateFirst: boolean;
}

/** What a person may say of a pair, which shows neither whose answers they are nor by which judge they won. */
export type Side = "first" | "second" | "tie";

/**
 * The pairs of an evaluation, in an order and with sides that the seed shuffles: the same each time, so that votes can be counted without
 * a record of what was shown.
 * @param most takes this many, spread over the prompts' tags.
 */
export function votingPairs(answered: readonly AnsweredPrompt[], seed: number, most: number = answered.length): VotingPair[] {
  return spreadSample(answered, most, seed).map((prompt) => {
    const id = digestOf([prompt.prompt, prompt.candidate.text, prompt.baseline[0]!.text]).slice(0, 12);
    return { id, answered: prompt, candidateFirst: randomAt(seed, "sides", id).uniform() < 0.5 };
  });
}

/** What a pair looks like to those who vote. */
export function shownPair({ id, answered: { prompt, candidate, baseline }, candidateFirst }: VotingPair): Record<"pair" | "prompt" | "first" | "second", string> {
  const [ours, theirs] = [candidate.text, baseline[0]!.text];
  return {
    pair: id, prompt: prompt.length === 1 ? prompt[0]!.content : prompt.map(({ role, content }) => `${role}: ${content}`).join("\n"),
    first: candidateFirst ? ours : theirs, second: candidateFirst ? theirs : ours,
  };
}

/** Whose answer a person has preferred. */
export function outcomeOfVote(side: Side, { candidateFirst }: Pick<VotingPair, "candidateFirst">): Outcome {
  if (side === "tie") return "tie";
  return (side === "first") === candidateFirst ? "win" : "lose";
}

/** What people say, beside an evaluation's own judges. */
export interface CountedVotes {
  /** Of the prompts that were voted on: people and the evaluation's judges, and how far each pair of them agrees. */
  readonly judges: Judges;
  /** Votes of each annotator, and the agreement of each pair of annotators on the pairs that both have voted on. */
  readonly annotators: readonly { readonly annotator: string; readonly votes: number }[];
  readonly annotatorAgreement: Judges["agreement"];
}

/** The name of people among the judges. */
const people = "people";

/**
 * Counts votes: of a pair, people say what more of them say than anything else, and a tie where no side has more. Pure.
 * @param judging the evaluation's own: it has one judge, or its answers hold what several said.
 */
export function countVotes(answered: readonly AnsweredPrompt[], votes: readonly Vote[], judging: Judging): CountedVotes {
  const byPair = new Map<string, Vote[]>();
  for (const vote of votes) byPair.set(vote.pair, [...byPair.get(vote.pair) ?? [], vote]);
  const voted = votingPairs(answered, judging.seed).filter(({ id }) => byPair.has(id));
  const prompts = voted.map((pair) => pair.answered);
  const names = Object.keys(prompts[0]?.verdicts ?? { [judging.judge]: [] });
  const others = names.map((judge) => ({ judge, verdicts: prompts.map((prompt) => outcomesOf(prompt, { ...judging, judge }).slice(0, 1)) }));
  const annotators = [...new Set(votes.map(({ annotator }) => annotator))].sort();
  const own = annotators.map((annotator) => ({
    judge: annotator, verdicts: voted.map(({ id }) => byPair.get(id)!.filter((vote) => vote.annotator === annotator).map(({ outcome }) => outcome)),
  }));
  return {
    judges: compareJudges(prompts, [{ judge: people, verdicts: voted.map(({ id }) => [plurality(byPair.get(id)!.map(({ outcome }) => outcome))]) }, ...others], judging.seed),
    annotators: own.map(({ judge, verdicts }) => ({ annotator: judge, votes: verdicts.flat().length })),
    annotatorAgreement: own.flatMap((first, index) => own.slice(index + 1).map((second) => agreementOf(first, second, judging.seed))).filter(({ comparisons }) => comparisons > 0),
  };
}

function plurality(outcomes: readonly Outcome[]): Outcome {
  const count = (wanted: Outcome) => outcomes.filter((outcome) => outcome === wanted).length;
  const [win, tie, lose] = [count("win"), count("tie"), count("lose")];
  if (win > Math.max(tie, lose)) return "win";
  return lose > Math.max(win, tie) ? "lose" : "tie";
}
