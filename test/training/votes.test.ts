import { describe, expect, it } from "vitest";
import type { Answer, AnsweredPrompt, Outcome } from "../../schemas/report.js";
import type { Vote } from "../../schemas/votes.js";
import { countVotes, outcomeOfVote, shownPair, votingPairs } from "../../training/votes.js";
import { user } from "./support.js";

const answer = (text: string, gold: number): Answer => ({ text, tokens: 3, finished: true, gold });
const answered: readonly AnsweredPrompt[] = Array.from({ length: 40 }, (_, index) => ({
  prompt: [user(`question ${index}`)], tags: { language: index % 2 === 0 ? "en" : "zh" },
  candidate: answer(`ours ${index}`, index % 4 === 0 ? 0.2 : 0.9), baseline: [answer(`theirs ${index}`, 0.5), answer("another", 0)],
}));
const judging = { judge: "gold", tieMargin: 0.05, seed: 5 };
const pairs = votingPairs(answered, 5);

describe("pairs to vote on", () => {
  it("are all, once, with sides and order by the seed alone", () => {
    expect(new Set(pairs.map(({ id }) => id)).size).toBe(40);
    expect(votingPairs(answered, 5)).toEqual(pairs);
    expect(votingPairs([...answered].reverse(), 5).map(({ id, candidateFirst }) => [id, candidateFirst]).sort()).toEqual(pairs.map(({ id, candidateFirst }) => [id, candidateFirst]).sort());
    expect(pairs.map(({ answered: { prompt } }) => prompt[0]!.content)).not.toEqual(answered.map(({ prompt }) => prompt[0]!.content));
    const first = pairs.filter(({ candidateFirst }) => candidateFirst).length;
    expect(first).toBeGreaterThan(10);
    expect(first).toBeLessThan(30);
    const other = new Map(votingPairs(answered, 6).map((pair) => [pair.id, pair.candidateFirst]));
    expect(pairs.some(({ id, candidateFirst }) => other.get(id) !== candidateFirst)).toBe(true);
  });

  it("show a prompt and two answers, and nothing of whose they are", () => {
    for (const pair of pairs) {
      const { pair: id, prompt, first, second, ...rest } = shownPair(pair);
      const number = prompt.slice("question ".length);
      expect([first, second]).toEqual(pair.candidateFirst ? [`ours ${number}`, `theirs ${number}`] : [`theirs ${number}`, `ours ${number}`]);
      expect([id, rest]).toEqual([expect.stringMatching(/^[0-9a-f]{12}$/), {}]);
      expect(outcomeOfVote(first.startsWith("ours") ? "first" : "second", pair)).toBe("win");
      expect(outcomeOfVote(first.startsWith("ours") ? "second" : "first", pair)).toBe("lose");
      expect(outcomeOfVote("tie", pair)).toBe("tie");
    }
  });

  it("may be fewer, tags keeping their shares, and are then the same pairs", () => {
    const few = votingPairs(answered, 5, 10);
    expect(few.filter(({ answered: { tags } }) => tags["language"] === "en")).toHaveLength(5);
    const known = new Map(pairs.map((pair) => [pair.id, pair.candidateFirst]));
    for (const { id, candidateFirst } of few) expect(known.get(id)).toBe(candidateFirst);
  });
});

describe("votes", () => {
  const vote = (annotator: string, pair: number, outcome: Outcome): Vote => ({ annotator, pair: pairs[pair]!.id, outcome });

  it("are counted by pair: what more people say than anything else, and a tie where no side has more", () => {
    const { judges, annotators } = countVotes(answered, [
      vote("ada", 0, "win"), vote("bob", 0, "win"), vote("cem", 0, "lose"),
      vote("ada", 1, "win"), vote("bob", 1, "lose"),
      vote("ada", 2, "lose"), vote("bob", 2, "tie"), vote("cem", 2, "lose"),
      vote("ada", 3, "tie"),
    ], judging);
    const [{ judge, groups: [all] }] = judges.tables as [typeof judges.tables[0]];
    expect([judge, all!.prompts, all!.win.value, all!.tie.value, all!.lose.value]).toEqual(["people", 4, 0.25, 0.5, 0.25]);
    expect(annotators).toEqual([{ annotator: "ada", votes: 4 }, { annotator: "bob", votes: 3 }, { annotator: "cem", votes: 2 }]);
  });

  it("stand beside the evaluation's judges on the same pairs, each pair's first comparison", () => {
    const gold = (index: number): Outcome => (pairs[index]!.answered.candidate.gold! > 0.5 ? "win" : "lose");
    const votes = [0, 1, 2, 3, 4, 5].map((index) => vote("ada", index, index === 5 ? "tie" : gold(index)));
    const { judges } = countVotes(answered, votes, judging);
    expect(judges.tables.map(({ judge, groups }) => [judge, groups[0]!.prompts])).toEqual([["people", 6], ["gold", 6]]);
    expect(judges.agreement[0]).toMatchObject({ judges: ["people", "gold"], comparisons: 6, raw: { value: 5 / 6 } });
    const several = answered.map((each): AnsweredPrompt => ({ ...each, verdicts: { gpt: ["tie", "win"], gold: ["win", "win"] } }));
    expect(countVotes(several, votes, { ...judging, judge: "gpt" }).judges.agreement.map(({ judges: names, raw }) => [...names, raw.value]))
      .toEqual([["people", "gpt", 1 / 6], ["people", "gold", expect.any(Number)], ["gpt", "gold", 0]]);
  });

  it("of two annotators agree by the pairs that both have voted on", () => {
    const { annotatorAgreement } = countVotes(answered, [
      vote("ada", 0, "win"), vote("bob", 0, "win"), vote("ada", 1, "win"), vote("bob", 1, "lose"), vote("ada", 2, "lose"), vote("bob", 2, "lose"), vote("ada", 3, "win"), vote("cem", 4, "win"),
    ], judging);
    expect(annotatorAgreement.map(({ judges, comparisons, raw }) => [...judges, comparisons, raw.value])).toEqual([["ada", "bob", 3, 2 / 3]]);
    expect(annotatorAgreement[0]!.kappa!.value).toBeCloseTo((2 / 3 - 4 / 9) / (1 - 4 / 9), 10);
  });
});
