import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkDataset, type DataSource } from "../../data/dataset.js";
import { promptKey } from "../../data/split.js";
import type { Message } from "../../data/types.js";
import type { DataFormat } from "../../schemas/spec.js";
import { combineDatasets, readDataset } from "./read.js";

let folder: string;
let files = 0;
beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), "trueline-data-")); });
afterAll(() => rm(folder, { recursive: true }));

/** A data entry over a fresh file of the rows. */
async function entry(format: DataFormat, rows: readonly unknown[], options: Partial<DataSource> = {}): Promise<DataSource> {
  return entryOf(format, rows.map((row) => `${typeof row === "string" ? row : JSON.stringify(row)}\n`).join(""), "jsonl", options);
}

async function entryOf(format: DataFormat, content: string | Uint8Array, extension: string, options: Partial<DataSource> = {}): Promise<DataSource> {
  const path = join(folder, `${files++}.${extension}`);
  await writeFile(path, content);
  return { name: "rows", format, path, holdout: 0, maxBadShare: 0, ...options };
}

const user = (content: string): Message => ({ role: "user", content });
const assistant = (content: string): Message => ({ role: "assistant", content });
const all = <Row>({ train, heldOut }: { readonly train: readonly Row[]; readonly heldOut: readonly Row[] }) => [...train, ...heldOut];
const count = (start: number, end: number) => Array.from({ length: end - start }, (_, index) => start + index);
const failsWith = (code: string, message: RegExp) => expect.objectContaining({ code, message: expect.stringMatching(message) as unknown });

describe("a row of format", () => {
  it("hh-rlhf is two transcripts with a common prompt; a speaker's turns in a row are one", async () => {
    const before = "\n\nHuman: Hi\n\nAssistant: Hello.\n\nAssistant: Yes?\n\nHuman: Bye";
    const { pairs, dialogues, prompts, text } = await readDataset(await entry("hh-rlhf", [
      { chosen: `${before}\n\nAssistant: See you. `, rejected: `${before}\n\nAssistant: Go` },
    ]));
    const prompt = [user("Hi"), assistant("Hello.\n\nYes?"), user("Bye")];
    expect(pairs.train[0]).toMatchObject({ prompt, chosen: "See you.", rejected: "Go", source: { line: 1 } });
    expect(dialogues.train[0]!.messages).toEqual([...prompt, assistant("See you.")]);
    expect(prompts.train[0]!.messages).toEqual(prompt);
    expect(text.train[0]!.text).toBe("User: Hi\n\nAssistant: Hello.\n\nYes?\n\nUser: Bye\n\nAssistant: See you.");
  });

  it.each([
    ["strings", { prompt: "Hi", chosen: "a", rejected: "b" }, [user("Hi")]],
    ["a prompt of messages", { prompt: [{ role: "system", content: "Be brief." }, user("Hi")], chosen: "a", rejected: "b" }, [{ role: "system", content: "Be brief." }, user("Hi")]],
    ["answers of messages", { prompt: "Hi", chosen: [assistant("a")], rejected: [assistant("b")] }, [user("Hi")]],
    ["answers that repeat the prompt", { prompt: "Hi", chosen: [user("Hi"), assistant("a")], rejected: [user("Hi"), assistant("b")] }, [user("Hi")]],
    ["no prompt but a shared one", { chosen: [user("Hi"), assistant("a")], rejected: [user("Hi"), assistant("b")], score: 1 }, [user("Hi")]],
  ])("preference may have %s", async (_, row, prompt) => {
    const { pairs } = await readDataset(await entry("preference", [row]));
    expect(pairs.train).toMatchObject([{ prompt, chosen: "a", rejected: "b" }]);
  });

  it("dialogue is a prompt and a response, or messages", async () => {
    const { dialogues } = await readDataset(await entry("dialogue", [{ prompt: "Hi", response: "a" }, { messages: [user("Hi"), assistant("b")] }]));
    expect(dialogues.train.map(({ messages }) => messages)).toEqual([[user("Hi"), assistant("a")], [user("Hi"), assistant("b")]]);
  });

  it("prompt is there once, however often the file has it", async () => {
    const { prompts, counts } = await readDataset(await entry("prompt", [{ prompt: "Hi" }, { prompt: [user("Hi")] }, { prompt: "Bye" }]));
    expect(prompts.train.map(({ messages }) => messages)).toEqual([[user("Hi")], [user("Bye")]]);
    expect(counts).toEqual({ rows: { rows: 3, bad: 0, train: 3, heldOut: 0, duplicates: 1 } });
  });

  it("text is a document a row", async () => {
    const { text } = await readDataset(await entry("text", [{ text: "one\n\ntwo" }, { text: "three" }]));
    expect(text.train.map((row) => row.text)).toEqual(["one\n\ntwo", "three"]);
  });

  it("keeps its tags, as strings", async () => {
    const { prompts } = await readDataset(await entry("prompt", [{ prompt: "Hi", tags: { language: "en", level: 2 } }]));
    expect(prompts.train[0]!.tags).toEqual({ language: "en", level: "2" });
  });
});

describe("plain text", () => {
  it("is cut into stretches at blank lines, then lines, then words, and loses nothing", async () => {
    const speech = Array.from({ length: 60 }, (_, line) => `line ${line} of a speech`).join("\n");
    const content = [speech, "short", speech, speech, "word ".repeat(1000).trim(), "x".repeat(5000)].join("\n\n");
    const { text } = await readDataset(await entryOf("text", gzipSync(content), "txt.gz"));
    const stretches = text.train.map((row) => row.text);
    expect(Math.max(...stretches.map((stretch) => stretch.length))).toBeLessThanOrEqual(2000);
    expect(stretches[0]).toBe(`${speech}\n\nshort`);
    expect(stretches[1]).toBe(speech);
    expect(stretches.join("").replace(/\s/g, "")).toBe(content.replace(/\s/g, ""));
    expect(text.train[1]!.source.line).toBe(64);
  });

  it("is refused when it is no UTF-8", async () => {
    await expect(readDataset(await entryOf("text", Buffer.from([0x61, 0x0a, 0xff, 0xfe]), "txt"))).rejects.toEqual(failsWith("TL_DATA_UNREADABLE", /:2: no valid UTF-8/));
  });
});

describe("files as they come", () => {
  it("may have a byte order mark, CR LF, blank lines, and no last line end", async () => {
    const { prompts } = await readDataset(await entryOf("prompt", "\ufeff{\"prompt\":\"Hi\"}\r\n\r\n{\"prompt\":\"Bye\"}", "jsonl"));
    expect(prompts.train.map(({ source }) => source.line)).toEqual([1, 3]);
  });

  it("do no harm with a __proto__ key", async () => {
    const { prompts } = await readDataset(await entry("prompt", [
      "{\"prompt\":\"Hi\",\"__proto__\":{\"group\":\"g\",\"polluted\":1},\"tags\":{\"__proto__\":\"x\",\"constructor\":\"y\"}}",
    ]));
    expect(Object.prototype).not.toHaveProperty("polluted");
    expect(Object.getPrototypeOf(prompts.train[0]!.tags)).toBe(Object.prototype);
  });
});

describe("bad rows", () => {
  const prompts = (row: unknown) => entry("prompt", [row]);
  it.each([
    ["no JSON", () => prompts("{\"prompt\""), /1: no JSON object: \{"prompt"/],
    ["a list", () => prompts([]), /1: .*expected object/i],
    ["a missing member", () => prompts({ question: "Hi" }), /1: prompt: neither a string/],
    ["an unknown role", () => prompts({ prompt: [{ role: "bot", content: "Hi" }] }), /1: prompt/],
    ["an empty prompt", () => prompts({ prompt: " " }), /1: the prompt is empty/],
    ["a prompt without a question", () => prompts({ prompt: [user("Hi"), assistant("Hello")] }), /ends with a turn of assistant/],
    ["tags that are no strings", () => prompts({ prompt: "Hi", tags: [1] }), /1: tags/],
    ["an empty response", () => entry("dialogue", [{ prompt: "Hi", response: "" }]), /1: response is empty/],
    ["a dialogue without an answer", () => entry("dialogue", [{ messages: [user("Hi")] }]), /messages ends with a turn of user/],
    ["an answer without a question", () => entry("dialogue", [{ messages: [assistant("Hi")] }]), /the prompt ends with a turn of nobody/],
    ["two equal answers", () => entry("preference", [{ prompt: "Hi", chosen: "a", rejected: "a" }]), /the same/],
    ["no prompt", () => entry("preference", [{ chosen: "a", rejected: "b" }]), /no prompt/],
    ["transcripts in the wrong format", () => entry("preference", [{ chosen: "\n\nHuman: a", rejected: "\n\nHuman: b" }]), /hh-rlhf/],
    ["another prompt in the answer", () => entry("preference", [{ prompt: "Hi", chosen: [user("Ho"), assistant("a")], rejected: "b" }]), /not the prompt's/],
    ["transcripts that part early", () => entry("hh-rlhf", [{ chosen: "\n\nHuman: a\n\nAssistant: b", rejected: "\n\nHuman: c\n\nAssistant: d" }]), /before their last turn/],
    ["no transcript", () => entry("hh-rlhf", [{ chosen: "a", rejected: "b" }]), /does not start/],
    ["empty text", () => entry("text", [{ text: "" }]), /text is empty/],
  ])("%s", async (_, source, message) => {
    await expect(source().then((made) => readDataset(made))).rejects.toEqual(failsWith("TL_DATA_BAD_ROWS", message));
  });

  it("are counted up to the share that is allowed, and listed with their lines past it", async () => {
    const rows = count(0, 20).map((index) => (index % 2 === 0 ? { prompt: `p${index}` } : { no: index }));
    const { counts } = await readDataset(await entry("prompt", rows, { maxBadShare: 0.5 }));
    expect(counts["rows"]).toMatchObject({ rows: 20, bad: 10, train: 10 });
    const source = await entry("prompt", rows, { maxBadShare: 0.49 });
    const shown = [2, 4, 6, 8, 10].map((line) => `  ${source.path}:${line}: .*\n`).join("");
    await expect(readDataset(source)).rejects.toEqual(failsWith("TL_DATA_BAD_ROWS", new RegExp(`10 of 20 rows .*\n${shown}… and 5 more`)));
  });

  it("are an error when there are no others, whatever share is allowed", async () => {
    await expect(readDataset(await entry("prompt", ["x"], { maxBadShare: 1 }))).rejects.toEqual(failsWith("TL_DATA_BAD_ROWS", /1 of 1/));
  });

  it("of invalid UTF-8 are bad rows, not garbled ones", async () => {
    const bytes = Buffer.concat([Buffer.from("{\"prompt\":\"Hi\"}\n{\"prompt\":\""), Buffer.from([0xc3, 0x28]), Buffer.from("\"}\n")]);
    expect((await readDataset(await entryOf("prompt", bytes, "jsonl", { maxBadShare: 0.5 }))).counts["rows"]).toMatchObject({ rows: 2, bad: 1 });
  });
});

describe("an empty file", () => {
  it.each(["", "\n\n", "\ufeff"])("%j is an error", async (content) => {
    await expect(readDataset(await entryOf("prompt", content, "jsonl"))).rejects.toEqual(failsWith("TL_DATA_EMPTY", /no row/));
    await expect(readDataset(await entryOf("text", content, "txt"))).rejects.toEqual(failsWith("TL_DATA_EMPTY", /no row/));
  });
});

describe("uses", () => {
  it("that were not asked for stay empty; those a format lacks are refused", async () => {
    const source = await entry("preference", [{ prompt: "Hi", chosen: "a", rejected: "b" }]);
    const { pairs, dialogues, prompts, text } = await readDataset(source, ["pairs"]);
    expect([pairs, dialogues, prompts, text].map((split) => split.train.length)).toEqual([1, 0, 0, 0]);
    await expect(readDataset({ ...source, format: "prompt" }, ["pairs"])).rejects.toEqual(failsWith("TL_DATA_USE", /format prompt, which holds no pairs/));
  });
});

describe("the split", () => {
  const names = count(0, 2000).map((index) => `question ${index}`);
  const keys = (rows: readonly { messages: readonly Message[] }[]) => new Set(rows.map(({ messages }) => promptKey(messages)));

  it("holds out the share asked for, by prompt alone: the same in every format, file and order", async () => {
    const prompts = (await readDataset(await entry("prompt", names.map((prompt) => ({ prompt })), { holdout: 0.15 }))).prompts;
    const pairs = (await readDataset(await entry("preference", names.toReversed().map((prompt) => ({ prompt, chosen: "a", rejected: "b" })), { holdout: 0.15 }))).prompts;
    const dialogues = (await readDataset(await entry("dialogue", names.map((prompt) => ({ messages: [user(prompt), assistant("a")] })), { holdout: 0.15 }))).prompts;
    expect(Math.abs(prompts.heldOut.length / 2000 - 0.15)).toBeLessThan(0.025);
    expect(keys(pairs.heldOut)).toEqual(keys(prompts.heldOut));
    expect(keys(dialogues.heldOut)).toEqual(keys(prompts.heldOut));
  });

  it("keeps what a smaller holdout holds out", async () => {
    const rows = names.map((prompt) => ({ prompt }));
    const [small, large] = await Promise.all([0.05, 0.3].map(async (holdout) => keys((await readDataset(await entry("prompt", rows, { holdout }))).prompts.heldOut)));
    expect([...small!].every((key) => large!.has(key))).toBe(true);
    expect(large!.size).toBeGreaterThan(small!.size);
  });

  it("goes by group where there is one, in text as in prompts", async () => {
    const rows = names.map((text, index) => ({ text, prompt: text, group: `g${index % 40}`, tags: { group: `g${index % 40}` } }));
    const { prompts } = await readDataset(await entry("prompt", rows, { holdout: 0.3 }));
    const { text } = await readDataset(await entry("text", rows, { holdout: 0.3 }));
    const groups = (read: readonly { tags: Readonly<Record<string, string>> }[]) => new Set(read.map(({ tags }) => tags["group"]));
    expect(groups(prompts.heldOut).size).toBeGreaterThan(3);
    expect([...groups(prompts.heldOut)].filter((group) => groups(prompts.train).has(group))).toEqual([]);
    expect(groups(text.heldOut)).toEqual(groups(prompts.heldOut));
  });
});

describe("several entries", () => {
  it("are one, with counts by entry and each prompt once", async () => {
    const one = await readDataset(await entry("prompt", [{ prompt: "a" }, { prompt: "b" }], { name: "one" }));
    const two = await readDataset(await entry("dialogue", [{ prompt: "b", response: "x" }, { prompt: "c", response: "x" }], { name: "two" }));
    const { prompts, dialogues, counts } = combineDatasets([one, two]);
    expect(all(prompts).map(({ messages }) => messages[0]!.content)).toEqual(["a", "b", "c"]);
    expect(all(dialogues)).toHaveLength(2);
    expect(Object.keys(counts)).toEqual(["one", "two"]);
  });
});

describe("a look at the first rows", () => {
  it("passes a file of the format, however it goes on, and fails one of another", async () => {
    const { name, format, path } = await entry("prompt", [{ prompt: "Hi" }, "garbage"]);
    await checkDataset({ name, format, path });
    await expect(entry("prompt", count(0, 30).map((index) => ({ text: `${index}` }))).then(checkDataset)).rejects.toEqual(failsWith("TL_DATA_BAD_ROWS", /No row of the first 20/));
    await expect(entry("prompt", []).then(checkDataset)).rejects.toEqual(failsWith("TL_DATA_EMPTY", /no row/));
  });

  it("counts the bad rows of an entry's only file, where that is short enough to be read whole", async () => {
    const look = async (good: number, bad: number, maxBadShare: number) => {
      const rows = [...count(0, good).map((index) => ({ prompt: `${index}` })), ...count(0, bad).map(() => "garbage")];
      await checkDataset({ ...await entry("prompt", rows), maxBadShare });
    };
    await look(9, 1, 0.1);
    await expect(look(8, 2, 0.1)).rejects.toEqual(failsWith("TL_DATA_BAD_ROWS", /2 of 10 rows can't be read as prompt; at most 10 % may be/));
    await expect(look(900, 100, 0.05)).rejects.toEqual(failsWith("TL_DATA_BAD_ROWS", /100 of 1000 rows/));
    await look(1001, 500, 0.05);
  });
});
