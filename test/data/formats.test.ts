import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkDataset } from "../../data/dataset.js";
import { dataUses, fittingFormats, readerOf } from "../../data/formats.js";
import { dataFormats, type DataFormat } from "../../schemas/spec.js";
import { fixture } from "./containers/files.js";
import { readDataset } from "./read.js";

const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });
const system = (content: string) => ({ role: "system", content });
const read = (format: DataFormat, row: unknown) => readerOf(format)(row);
const faultOf = (format: DataFormat, row: unknown): string => {
  try {
    return `read: ${JSON.stringify(read(format, row))}`;
  } catch (error) {
    return String(error instanceof Error ? error.message : error);
  }
};

/** Rows as TRL's documentation has them, by its name of their type. */
const trl: Readonly<Record<string, readonly [DataFormat, unknown, unknown]>> = {
  "language modelling, standard": ["text", { text: "The sky is blue." }, { is: "text", text: "The sky is blue." }],
  "language modelling, conversational": ["dialogue", { messages: [user("What?"), assistant("Blue.")] }, { is: "dialogue", prompt: [user("What?")], answer: "Blue." }],
  "prompt-only, standard": ["prompt", { prompt: "The sky is" }, { is: "prompt", prompt: [user("The sky is")] }],
  "prompt-only, conversational": ["prompt", { prompt: [user("What?")] }, { is: "prompt", prompt: [user("What?")] }],
  "prompt-completion, standard": ["prompt-completion", { prompt: "The sky is", completion: " blue." }, { is: "dialogue", prompt: [user("The sky is")], answer: " blue." }],
  "prompt-completion, conversational": ["prompt-completion", { prompt: [user("What?")], completion: [assistant("Blue.")] }, { is: "dialogue", prompt: [user("What?")], answer: "Blue." }],
  "preference, standard": ["preference", { prompt: "The sky is", chosen: " blue.", rejected: " green." }, { is: "pair", prompt: [user("The sky is")], chosen: " blue.", rejected: " green." }],
  "preference, standard, implicit prompt": ["preference", { chosen: "The sky is blue.", rejected: "The sky is green." }, { is: "pair", prompt: [user("The sky is")], chosen: " blue.", rejected: " green." }],
  "preference, conversational": ["preference", { prompt: [user("What?")], chosen: [assistant("Blue.")], rejected: [assistant("Green.")] }, { is: "pair", prompt: [user("What?")], chosen: "Blue.", rejected: "Green." }],
  "preference, conversational, implicit prompt": ["preference", { chosen: [user("What?"), assistant("Blue.")], rejected: [user("What?"), assistant("Green.")] }, { is: "pair", prompt: [user("What?")], chosen: "Blue.", rejected: "Green." }],
};

describe("TRL's", () => {
  it.each(Object.entries(trl))("%s", (_, [format, row, content]) => { expect(read(format, row)).toEqual(content); });

  it("unpaired preference is refused, and says why: a dispreferred answer is nothing to imitate", () => {
    expect(faultOf("prompt-completion", { prompt: "The sky is", completion: " green.", label: false })).toMatch(/^label: .*KTO/);
  });
});

describe("ShareGPT's", () => {
  it("turns are from human and gpt, or by their other names, with a system message inside or beside", () => {
    const turns = [{ from: "human", value: "a" }, { from: "gpt", value: "b" }, { from: "user", value: "c" }, { from: "chatgpt", value: "d" }];
    const dialogue = { is: "dialogue", prompt: [system("s"), user("a"), assistant("b"), user("c")], answer: "d" };
    expect(read("sharegpt", { conversations: [{ from: "system", value: "s" }, ...turns] })).toEqual(dialogue);
    expect(read("sharegpt", { conversations: turns, system: "s" })).toEqual(dialogue);
  });

  it.each([
    [{ conversations: [{ from: "human", value: "a" }] }, "conversations ends with a turn of user, not of the assistant"],
    [{ conversations: [{ from: "tool", value: "a" }] }, /^conversations\.0\.from: `from` is one of system, human/],
    [{ conversations: [{ role: "user", content: "a" }] }, /^conversations\.0\.from/],
    [{ messages: [] }, "conversations: not a list of {from, value} turns"],
  ])("%j is a bad row", (row, fault) => { expect(faultOf("sharegpt", row)).toMatch(fault); });
});

describe("Alpaca's", () => {
  it("prompt is the instruction, and its input on the next line", () => {
    expect(read("alpaca", { instruction: "Add.", input: "1, 2", output: "3" })).toEqual({ is: "dialogue", prompt: [user("Add.\n1, 2")], answer: "3" });
    expect(read("alpaca", { instruction: "Say hi.", input: "", output: "Hi" })).toMatchObject({ prompt: [user("Say hi.")] });
    expect(read("alpaca", { instruction: "Say hi.", output: "Hi" })).toMatchObject({ prompt: [user("Say hi.")] });
  });

  it("rows may have a system message and earlier exchanges", () => {
    expect(read("alpaca", { instruction: "c", input: null, output: "d", system: "s", history: [["a", "b"]] })).toMatchObject({ prompt: [system("s"), user("a"), assistant("b"), user("c")] });
  });

  it.each([[{ instruction: "a" }, "output: not a string"], [{ instruction: " ", output: "b" }, "the prompt is empty"], [{ instruction: "a", output: "b", history: [["c"]] }, /^history\.0/]])(
    "%j is a bad row", (row, fault) => { expect(faultOf("alpaca", row)).toMatch(fault); });
});

describe("MOSS-RLHF's", () => {
  it("lists alternate from the user on; a prompt's last turn is the user's", () => {
    expect(read("moss", ["a", "b", "c", "d"])).toEqual({ is: "dialogue", prompt: [user("a"), assistant("b"), user("c")], answer: "d" });
    expect(read("moss-prompt", ["a", "b", "c"])).toEqual({ is: "prompt", prompt: [user("a"), assistant("b"), user("c")] });
    expect(read("moss-prompt", ["a", "b"])).toEqual({ is: "prompt", prompt: [user("a")] });
  });

  it("pairs differ in their last turn; of a history that was cut the first turn is the assistant's", () => {
    expect(read("moss-preference", { chosen: ["a", "b"], rejected: ["a", "c"] })).toEqual({ is: "pair", prompt: [user("a")], chosen: "b", rejected: "c" });
    expect(read("moss-preference", { chosen: ["z", "a", "b"], rejected: ["z", "a", "c"] })).toMatchObject({ prompt: [assistant("z"), user("a")] });
    expect(faultOf("moss-preference", { chosen: ["a", "b"], rejected: ["x", "c"] })).toMatch(/differ before their last turn/);
  });

  it.each([["moss", ["a"], /1 turns, an odd number/], ["moss", ["a", ""], /^1: a turn is empty/], ["moss-prompt", [], /no turns/], ["moss", { text: "a" }, /not a list of turns/]] as const)(
    "%s: %j is a bad row", (format, row, fault) => { expect(faultOf(format, row)).toMatch(fault); });
});

describe("a format", () => {
  let folder: string;
  beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), "trueline-formats-")); });
  afterAll(() => rm(folder, { recursive: true }));
  const entry = async (format: DataFormat, name: string, content: string) => {
    const path = join(folder, name);
    await writeFile(path, content);
    return { name: "rows", format, path, holdout: 0, maxBadShare: 0 };
  };

  it("that is the wrong one is told with file, line, member, and the one that fits", async () => {
    const source = await entry("alpaca", "wrong.jsonl", `${JSON.stringify({ conversations: [{ from: "human", value: "a" }, { from: "gpt", value: "b" }] })}\n`);
    const told = { code: "TL_DATA_BAD_ROWS", message: expect.stringMatching(/wrong\.jsonl:1: instruction: /) as unknown, hint: "A row of format alpaca is {instruction, input, output}; these can be read as sharegpt." };
    await expect(checkDataset(source)).rejects.toMatchObject(told);
    await expect(readDataset(source)).rejects.toMatchObject(told);
  });

  it("fits rows only where all of them do", () => {
    expect(fittingFormats([{ prompt: "a", completion: "b" }])).toEqual(["prompt-completion", "prompt"]);
    expect(fittingFormats([{ prompt: "a" }, ["a"]])).toEqual([]);
    expect(fittingFormats([])).toEqual([]);
  });

  it("reads the same from every container", async () => {
    const rows = [{ prompt: "a", group: "g" }, { prompt: "b, c" }];
    const sources = await Promise.all([
      entry("prompt", "a.jsonl", rows.map((row) => `${JSON.stringify(row)}\n`).join("")), entry("prompt", "b.json", JSON.stringify(rows, undefined, 2)), entry("prompt", "c.csv", "prompt,group\na,g\n\"b, c\",\n"),
      entry("prompt", "d.json", rows.map((row) => `${JSON.stringify(row)}\n`).join("")),
    ]);
    const [first, ...others] = await Promise.all(sources.map(async (source) => (await readDataset(source)).prompts.train.map(({ messages }) => messages)));
    for (const other of others) expect(other).toEqual(first);
    const parquet = await readDataset({ name: "rows", format: "dialogue", path: fixture("dialogues-zstd.parquet"), holdout: 0, maxBadShare: 0 });
    expect(parquet.dialogues.train).toHaveLength(40);
    expect(parquet.dialogues.train[3]).toMatchObject({ source: { line: 4 }, messages: [user("What is 3 and 3?"), assistant("It is 6, 当然.")] });
  });

  it("serves what its rows hold", () => {
    for (const format of dataFormats.options) expect(dataUses(format).length).toBeGreaterThan(0);
    expect(dataUses("moss-prompt")).toEqual(["prompts"]);
  });
});
