import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { canonicalJson } from "../../foundation/canonical.js";
import type { AnsweredPrompt } from "../../schemas/report.js";
import type { Store } from "../../store/store.js";
import { buildReport } from "../../training/evaluation-report.js";
import { readDataset } from "../data/read.js";
import { emptyStore, keyOf, plannedStage } from "../store/home.js";
import { computed, ended, soundPlan, submitted } from "../store/life.js";
import { trueline } from "./trueline.js";

const stage = { ...plannedStage("eval", [], "evaluate"), output: "report" };
const other = plannedStage("base");
const answered: readonly AnsweredPrompt[] = ["one", "two", "three", "four"].map((text, index) => ({
  prompt: [{ role: "user", content: `${text}, "quoted"\nand a line` }], tags: {},
  candidate: { text: `ours ${text}`, tokens: 2, finished: true, gold: 0.9 }, baseline: [{ text: `theirs ${text}`, tokens: 2, finished: true, gold: index / 10 }],
}));
let store: Store;
const file = (name: string) => join(store.home, name);

beforeEach(async () => {
  store = emptyStore();
  vi.stubEnv("TRUELINE_HOME", store.home);
  vi.stubEnv("TRUELINE_ACTOR", "ada");
  await submitted(store, "run", soundPlan("p", other, stage));
  await computed(store, "run", other, { "model.bin": "weights" });
  const sampling = { temperature: 0.8, topP: 1, topK: 0, repetitionPenalty: 1, maxNewTokens: 8, baselineSamples: 1, samples: 2, baselineIs: "model" } as const;
  await computed(store, "run", stage, {
    "report.json": canonicalJson(buildReport(answered, [], { judge: "gold", tieMargin: 0.05, seed: 1 }, sampling)),
    "answers.jsonl": answered.map((row) => `${canonicalJson(row)}\n`).join(""),
  });
  await ended(store, "run", "run-finished");
});
afterEach(() => vi.unstubAllEnvs());

/** The pairs of a file as it was written, with whose answer comes first. */
async function exported(): Promise<{ readonly pair: string; readonly ours: "first" | "second"; readonly theirs: "first" | "second" }[]> {
  expect(await trueline(["export-pairs", "run", "eval", file("pairs.jsonl")])).toMatchObject({ code: 0 });
  return (await readFile(file("pairs.jsonl"), "utf8")).trimEnd().split("\n").map((line) => {
    const { pair, first } = JSON.parse(line) as { pair: string; first: string };
    return first.startsWith("ours") ? { pair, ours: "first", theirs: "second" } : { pair, ours: "second", theirs: "first" };
  });
}
const votesFile = async (name: string, rows: readonly object[]): Promise<string> => {
  await writeFile(file(name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return file(name);
};

describe("pairs for people", () => {
  it("go out as csv that spreadsheets read, and come back with votes", async () => {
    expect((await trueline(["export-pairs", "run", "eval", file("pairs.csv")])).stdout).toContain("Wrote 4 pairs");
    const text = await readFile(file("pairs.csv"), "utf8");
    expect(text).toMatch(/^pair,prompt,first,second,vote,annotator\r\n/);
    expect(text).toContain(", \"\"quoted\"\"\nand a line\",");
    expect(text).not.toMatch(/sft|ppo|candidate|baseline/);
    await writeFile(file("pairs.csv"), text.replaceAll(/,(ours|theirs) (\w+),(ours|theirs) \w+,,\r\n/g, (row, first: string) => `${row.slice(0, -4)},${first === "ours" ? "first" : "Second "},ada\r\n`));
    expect(await trueline(["import-votes", "run", "eval", file("pairs.csv")])).toMatchObject({ stderr: "", stdout: expect.stringContaining("Imported 4 votes of 1 person.") });
    const { stdout } = await trueline(["votes", "run", "eval", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ annotators: [{ annotator: "ada", votes: 4 }], judges: { tables: [{ judge: "people", groups: [{ win: { value: 1 } }] }, { judge: "gold", groups: [{ win: { value: 1 } }] }] } });
  });

  it("never take the place of a file that is there, which may hold votes", async () => {
    await writeFile(file("pairs.csv"), "mine");
    expect(await trueline(["export-pairs", "run", "eval", file("pairs.csv")])).toMatchObject({ code: 4 });
    expect(await readFile(file("pairs.csv"), "utf8")).toBe("mine");
  });

  it("are of an evaluation alone", async () => {
    for (const command of ["export-pairs", "export-preferences", "import-votes"]) {
      const { code, stderr } = await trueline([command, "run", "base", file("pairs.csv")]);
      expect([code, stderr], command).toEqual([2, expect.stringMatching(/TL_EVALUATION_STAGE Stage base .* compares no answers\.\nhint: Stages that do: eval\./)]);
      expect(await trueline([command, "run", "evil", file("pairs.csv")]), command).toMatchObject({ code: 3, stderr: expect.stringContaining("did you mean `eval`?") as string });
    }
    expect(await trueline(["export-pairs", "run", "eval", file("pairs.txt")])).toMatchObject({ code: 2 });
  });
});

describe("pairs for reward models", () => {
  it("need an evaluation with several baseline answers a prompt", async () => {
    const { code, stderr } = await trueline(["export-preferences", "run", "eval", file("pairs.jsonl")]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("`baselineSamples` of 2 or more")]);
  });

  it("are a file of format preference, written where nothing is yet", async () => {
    const twice = answered.map((row) => ({ ...row, baseline: [...row.baseline, { text: "better", tokens: 1, finished: true, gold: 1 }] }));
    const second = { ...stage, name: "second", key: keyOf("second") };
    await submitted(store, "other", soundPlan("p", second));
    const sampling = { temperature: 0.8, topP: 1, topK: 0, repetitionPenalty: 1, maxNewTokens: 8, baselineSamples: 2, samples: 2, baselineIs: "model" } as const;
    await computed(store, "other", second, {
      "report.json": canonicalJson(buildReport(twice, [], { judge: "gold", tieMargin: 0.05, seed: 1 }, sampling)), "answers.jsonl": twice.map((row) => `${canonicalJson(row)}\n`).join(""),
    });
    expect((await trueline(["export-preferences", "other", "second", file("pairs.jsonl")])).stdout).toContain("Wrote 4 pairs");
    const { pairs } = await readDataset({ name: "p", format: "preference", path: file("pairs.jsonl"), holdout: 0, maxBadShare: 0 });
    expect(pairs.train.map(({ chosen, rejected }) => [chosen, rejected])).toEqual(["one", "two", "three", "four"].map((text) => ["better", `theirs ${text}`]));
    expect(await trueline(["export-preferences", "other", "second", file("pairs.jsonl")])).toMatchObject({ code: 4 });
  });
});

describe("votes", () => {
  it("go to the ledger with who imported them, and into the history", async () => {
    const pairs = await exported();
    const votes = await votesFile("votes.jsonl", pairs.flatMap(({ pair, ours, theirs }, index) => [
      { pair, vote: ours, annotator: "ada" }, { pair, vote: index === 0 ? theirs : ours, annotator: "bob" }, { pair, vote: "" },
    ]));
    expect(await trueline(["import-votes", "run", "eval", votes, "--reason", "the first round"])).toMatchObject({ code: 0 });
    const { event } = (await store.ledger.read("run")).at(-1)!;
    expect(event).toMatchObject({ type: "votes-imported", stage: "eval", actor: expect.stringMatching(/^ada@/), reason: "the first round" });
    expect((await trueline(["history", "run"])).stdout).toMatch(/ada@\S+ imported 8 votes on eval, because: the first round/);
    expect((await trueline(["verify", "run"])).code).toBe(0);
    const { stdout } = await trueline(["votes", "run", "eval"]);
    expect(stdout).toMatch(/people +all prompts +4 +75 % \(.*\) +25 % \(.*\) +0 %/);
    expect(stdout).toMatch(/ada and bob +4 +75 %/);
    await trueline(["votes", "run", "eval", "--html", file("page.html")]);
    expect(await readFile(file("page.html"), "utf8")).toMatch(/<h3>people<\/h3>[^]*ada and bob/);
  });

  it("are looked for where they were said to be", async () => {
    expect(await trueline(["import-votes", "run", "eval", file("gone.csv")])).toMatchObject({
      code: 3, stderr: expect.stringMatching(/TL_VOTES_MISSING .*gone\.csv is not there\.\nhint: Name the file of votes/) as string,
    });
  });

  it("with faults are refused as a whole, each fault with its line", async () => {
    const [first, second] = await exported();
    const before = (await store.ledger.read("run")).length;
    const votes = await votesFile("votes.jsonl", [
      { pair: first!.pair, vote: "first", annotator: "ada" }, { pair: "0123456789ab", vote: "first", annotator: "ada" }, { pair: second!.pair, vote: "left", annotator: "ada" },
      { pair: first!.pair, vote: "tie", annotator: "ada" }, { pair: second!.pair, vote: "tie" }, { pair: second!.pair, vote: 1 }, { pair: second!.pair, vote: "tie", annotator: "a\u001bb" },
    ]);
    await writeFile(votes, `${await readFile(votes, "utf8")}no json\n`);
    const { code, stderr } = await trueline(["import-votes", "run", "eval", votes]);
    expect(code).toBe(1);
    for (const [line, words] of [
      [2, "\"0123456789ab\" is no pair"], [3, "vote is \"left\"; it is one of first, second, tie"], [4, `ada has voted on pair ${first!.pair} already, in line 1`],
      [5, "annotator is empty"], [6, "pair, vote and annotator are texts"], [7, "annotator is longer than 100 characters or holds control characters"], [8, "no JSON"],
    ] as const) expect(stderr).toContain(`${votes}:${line}: ${words}`);
    expect((await store.ledger.read("run")).length).toBe(before);
    expect(await trueline(["votes", "run", "eval"])).toMatchObject({ code: 3 });
  });

  it("are not taken twice from one annotator in two imports either; others may still vote", async () => {
    const [first] = await exported();
    const votes = await votesFile("votes.jsonl", [{ pair: first!.pair, vote: "first" }]);
    expect((await trueline(["import-votes", "run", "eval", votes, "--annotator", "ada"])).code).toBe(0);
    expect((await trueline(["import-votes", "run", "eval", votes, "--annotator", "ada"])).stderr).toContain("already, in an import before");
    expect((await trueline(["import-votes", "run", "eval", votes, "--annotator", "bob"])).code).toBe(0);
    expect((await trueline(["import-votes", "run", "eval", await votesFile("empty.jsonl", [{ pair: first!.pair, vote: "" }])])).stderr).toContain("holds no vote");
  });
});
