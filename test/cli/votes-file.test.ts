import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readVotes, type VotesContext } from "../../cli/votes-file.js";
import type { VotingPair } from "../../training/votes.js";

let folder: string;
beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), "trueline-votes-")); });
afterAll(() => rm(folder, { recursive: true }));

const pair = (id: string, candidateFirst: boolean): VotingPair => {
  const answer = { text: "a", tokens: 1, finished: true };
  return { id, candidateFirst, answered: { prompt: [], tags: {}, candidate: answer, baseline: [answer] } };
};
const pairs = [pair("p1", true), pair("p2", false)];
const good = { pair: "p1", vote: "first", annotator: "ada" };

/** What is read of rows, one a line. */
async function read(rows: readonly unknown[], context: Partial<VotesContext> = {}) {
  const path = join(folder, "votes.jsonl");
  await writeFile(path, rows.map((row) => `${typeof row === "string" ? row : JSON.stringify(row)}\n`).join(""));
  return readVotes(path, { pairs, before: [], ...context });
}

describe("a file of votes", () => {
  it("says who prefers whose answer, whichever stood first", async () => {
    const said = async (id: string, vote: string) => (await read([{ ...good, pair: id, vote }])).map(({ outcome }) => outcome);
    expect([await said("p1", "first"), await said("p1", "second"), await said("p2", "first"), await said("p2", "second"), await said("p2", "tie")]).toEqual([["win"], ["lose"], ["lose"], ["win"], ["tie"]]);
  });

  it("may have white space and capitals around what is meant, and rows without a vote", async () => {
    expect(await read([{ pair: " p1 ", vote: " First ", annotator: " ada " }, { pair: "p2", vote: " " }, { pair: "none" }])).toEqual([{ annotator: "ada", pair: "p1", outcome: "win" }]);
  });

  it("names annotators by row, else by the option", async () => {
    const rows = [{ pair: "p1", vote: "tie" }, { pair: "p2", vote: "tie", annotator: " " }, { ...good, annotator: "bob" }];
    expect((await read(rows, { annotator: "ada" })).map(({ annotator }) => annotator)).toEqual(["ada", "ada", "bob"]);
  });

  it.each([
    ["a pair of another evaluation", [{ ...good, pair: "p3" }], "\"p3\" is no pair of this evaluation"],
    ["a vote that is none", [{ ...good, vote: "third" }], "vote is \"third\"; it is one of first, second, tie"],
    ["no annotator", [{ ...good, annotator: "" }], "annotator is empty"],
    ["an annotator of 101 characters", [{ ...good, annotator: "a".repeat(101) }], "annotator is longer than 100 characters"],
    ["an annotator with a line end", [{ ...good, annotator: "a\nb" }], "annotator is longer than 100 characters or holds control characters"],
    ["the same pair twice by one annotator", [good, { ...good, vote: "second" }], "ada has voted on pair p1 already, in line 2"],
    ["a number as vote", [{ ...good, vote: 1 }], "pair, vote and annotator are texts"],
    ["a line that is no JSON", ["{"], "JSON"],
  ])("with %s is refused as a whole, by file and line", async (_, rows, words) => {
    const message = expect.stringMatching(new RegExp(`^Nothing was imported:\n[^\n]*votes\\.jsonl:${rows.length + 1}: .*${words}[^\n]*$`)) as string;
    await expect(read([{ ...good, pair: "p2" }, ...rows])).rejects.toMatchObject({ code: "TL_VOTES_INVALID", message });
  });

  it("is refused where an import before has the vote, and not where somebody else gave it", async () => {
    const before = [{ annotator: "ada", pair: "p1", outcome: "tie" }] as const;
    await expect(read([good], { before })).rejects.toMatchObject({ code: "TL_VOTES_INVALID", message: expect.stringContaining("ada has voted on pair p1 already, in an import before") as string });
    expect(await read([{ ...good, annotator: "bob" }], { before })).toHaveLength(1);
  });

  it("lists ten faults and counts the others", async () => {
    const rows = Array.from({ length: 13 }, (_, index) => ({ ...good, pair: `x${index}` }));
    await expect(read(rows)).rejects.toMatchObject({ message: expect.stringMatching(/"x9" is no pair[^\n]*\n… and 3 more$/) as string });
  });

  it("without a vote is refused, and so is a file by whose name nothing can be told", async () => {
    await expect(read([{ pair: "p1", vote: "" }])).rejects.toMatchObject({ code: "TL_VOTES_INVALID", message: expect.stringContaining("holds no vote") as string });
    await expect(readVotes(join(folder, "votes.txt"), { pairs, before: [] })).rejects.toMatchObject({ code: "TL_USAGE" });
  });
});
