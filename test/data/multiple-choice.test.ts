import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RowFault } from "../../data/fault.js";
import { dataUses, readerOf } from "../../data/formats.js";
import { readDataset } from "./read.js";

const read = readerOf("multiple-choice");
const faultOf = (row: unknown): string => {
  try {
    return `read: ${JSON.stringify(read(row))}`;
  } catch (error) {
    if (error instanceof RowFault) return error.message;
    throw error;
  }
};

describe("a multiple-choice row", () => {
  it("is a question, its choices and the letter of the right one, as C-Eval has them", () => {
    expect(read({ id: "0", question: " 使用位填充方法____ ", A: "0111", B: "1", C: "2", D: "3", answer: "C", explanation: "1. …" }))
      .toEqual({ is: "question", question: "使用位填充方法____", choices: ["0111", "1", "2", "3"], answer: 2 });
    expect(read({ question: "2 + 2?", A: 3, B: 4, answer: "B" })).toEqual({ is: "question", question: "2 + 2?", choices: ["3", "4"], answer: 1 });
  });

  it.each([
    [{ question: "q", A: "a", B: "b" }, /^answer: missing/],
    [{ question: "q", A: "a", B: "b", answer: "C" }, 'answer: "C" is none of A, B'],
    [{ question: "q", A: "a", answer: "A" }, /^one choice/],
    [{ question: "q", answer: "A" }, /^no choices/],
    [{ question: "q", A: "a", C: "c", answer: "A" }, /^choices A, C: one between them/],
    [{ question: " ", A: "a", B: "b", answer: "A" }, "question is empty"],
    [{ A: "a", B: "b", answer: "A" }, /^question: not a text/],
  ])("%j is a bad row", (row, fault) => { expect(faultOf(row)).toMatch(fault); });

  it("serves as nothing but questions", () => { expect(dataUses("multiple-choice")).toEqual(["questions"]); });
});

describe("C-Eval's files", () => {
  let folder: string;
  beforeAll(async () => {
    folder = join(await mkdtemp(join(tmpdir(), "trueline-data-")), "val");
    await mkdir(folder);
    await writeFile(join(folder, "law_val.csv"), "id,question,A,B,C,D,answer\n0,\"one, two?\",a,b,c,d,A\n1,three?,a,b,c,d,D\n0,\"one, two?\",a,b,c,d,A\n");
    await writeFile(join(folder, "art_val.csv"), "id,question,A,B,C,D,answer,tags\n0,four?,a,b,c,d,B,\"{\"\"subject\"\":\"\"painting\"\"}\"\n");
  });
  afterAll(() => rm(join(folder, ".."), { recursive: true }));

  it("name the subject, which a row's own tag takes the place of; a question counts once", async () => {
    const files = ["law_val.csv", "art_val.csv"].map((name) => ({ path: join(folder, name) }));
    const { questions, counts } = await readDataset({ name: "c-eval", format: "multiple-choice", path: folder, files, holdout: 0, maxBadShare: 0 });
    expect(questions.train.map(({ question, subject, answer, source }) => [question, subject, answer, source.line]))
      .toEqual([["one, two?", "law", 0, 2], ["three?", "law", 3, 3], ["four?", "painting", 1, 2]]);
    expect(counts["c-eval"]).toMatchObject({ rows: 4, bad: 0, duplicates: 1 });
  });
});
