import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkDataset } from "../../data/dataset.js";
import { RowFault } from "../../data/fault.js";
import { dataUses, readerOf } from "../../data/formats.js";
import { TruelineError } from "../../foundation/errors.js";
import type { DataFormat } from "../../schemas/spec.js";
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
    expect(read({ question: "q", A: "a", B: "b", answer: " b " })).toMatchObject({ answer: 1 });
    expect(read({ question: "2 + 2?", A: 3, B: 4, answer: "B" })).toEqual({ is: "question", question: "2 + 2?", choices: ["3", "4"], answer: 1 });
  });

  it.each([
    [{ question: "q", A: "a", B: "b" }, /^answer: missing/],
    [{ question: "q", A: "a", B: "b", answer: "C" }, 'answer: "C" is none of A, B'],
    [{ question: "q", A: "a", answer: "A" }, /^one choice/],
    [{ question: "q", answer: "A" }, /^no choices/],
    [{ question: "q", A: "a", C: "c", answer: "A" }, /^choices A, C: one between them/],
    [{ question: "q", A: "a", B: "b", C: " a", answer: "A" }, /^choices A and C are the same: "a"$/],
    [{ question: "q", A: 3, B: "3", answer: "A" }, /^choices A and B are the same/],
    [{ question: " ", A: "a", B: "b", answer: "A" }, "question is empty"],
    [{ A: "a", B: "b", answer: "A" }, /^question: not a text/],
  ])("%j is a bad row", (row, fault) => { expect(faultOf(row)).toMatch(fault); });

  it("serves as nothing but questions", () => { expect(dataUses("multiple-choice")).toEqual(["questions"]); });
});

describe("a csv file without the line that names its columns", () => {
  let folder: string;
  beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), "trueline-data-")); });
  afterAll(() => rm(folder, { recursive: true }));

  const failure = async (format: DataFormat, text: string): Promise<unknown> => {
    const path = join(folder, "questions.csv");
    await writeFile(path, text);
    const source = { name: "q", format, path, holdout: 0, maxBadShare: 0 };
    const [whole, start] = await Promise.all([readDataset(source), checkDataset(source)].map((reading) => reading.then(() => undefined, (error: unknown) => error)));
    if (!(whole instanceof TruelineError) || !(start instanceof TruelineError)) throw new Error("no failure");
    expect([start.code, start.hint]).toEqual([whole.code, whole.hint]);
    return { code: whole.code, hint: whole.hint };
  };
  const begin = "Begin the file with a line such as: question,A,B,C,D,answer";

  it("is told so, with the columns that belong there", async () => {
    const missing = "The first line of a csv file names its columns, and this one's (\"0\", \"one?\", \"a\", \"b\", …) are none of multiple-choice: the header line seems to be missing.";
    expect(await failure("multiple-choice", "0,one?,a,b,c,d,A\n")).toEqual({ code: "TL_DATA_EMPTY", hint: `${missing} ${begin}` });
    expect(await failure("multiple-choice", "0,one?,a,b,c,d,A\n1,two?,a,b,c,d,B\n")).toEqual({ code: "TL_DATA_BAD_ROWS", hint: `${missing} ${begin}` });
    expect(await failure("preference", "p,c,r\np,c,r\n")).toMatchObject({ hint: expect.stringContaining("prompt,chosen,rejected") as string });
  });

  it("is no such file where it names a column of the format, or its rows are of another one", async () => {
    expect(await failure("multiple-choice", "question,A,B,answer\n")).toMatchObject({ code: "TL_DATA_EMPTY", hint: "Check that the path names the right file." });
    expect(await failure("multiple-choice", "prompt,chosen,rejected\np,c,r\n")).toMatchObject({ hint: expect.stringContaining("these can be read as preference") as string });
    expect(await failure("multiple-choice", "question,A,B,answer\nq,a,a,A\n")).toMatchObject({ code: "TL_DATA_BAD_ROWS", hint: expect.stringContaining("A row of format multiple-choice") as string });
  });
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
