import { readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { trainBytePairs, writeTokenizer } from "../../models/bpe.js";
import { ChatTemplate } from "../../models/chat-template.js";
import { describeModel, writeConfiguration } from "../../models/configuration.js";
import { readSafetensors } from "../../models/safetensors.js";
import { Tokenizer } from "../../models/tokenizer.js";
import { temporaryDirectory, tiny } from "./support.js";

type Members = Record<string, unknown>;

/** Stands for lists in lists, deeper than any recursion goes. */
const nested = "@nested@";
const tooDeep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;

describe("a tokenizer.json that lies", () => {
  async function load(change: (tokenizer: { model: Members & { vocab: Members; merges: unknown[] }; added_tokens: Members[] } & Members) => void): Promise<Tokenizer> {
    const directory = await temporaryDirectory();
    await writeTokenizer(directory, await trainBytePairs(["some text text"], { vocabulary: 264, isolateHan: false }));
    const path = join(directory, "tokenizer.json");
    const tokenizer = JSON.parse(await readFile(path, "utf8")) as Parameters<typeof change>[0];
    change(tokenizer);
    await writeFile(path, JSON.stringify(tokenizer).replaceAll(`"${nested}"`, tooDeep));
    return Tokenizer.load(directory);
  }

  it.each<[string, Parameters<typeof load>[0], RegExp]>([
    ["a negative id", ({ model }) => { model.vocab["!"] = -1; }, /token "!" has the id -1/],
    ["an id beyond any vocabulary", ({ model }) => { model.vocab["!"] = 1e15; }, /token "!" has the id 1000000000000000/],
    ["an added id beyond any vocabulary", ({ added_tokens: [first] }) => { first!["id"] = 4e9; }, /has the id 4000000000/],
    ["an id that is no number", ({ model }) => { model.vocab["!"] = "5"; }, /token "!" has the id "5";/],
    ["an id that is a list", ({ model }) => { model.vocab["!"] = [[1]]; }, /has the id \[…\]/],
    ["a merge that is a list of lists", ({ model }) => { model.merges = [[["a"]]]; }, /the merge \[…\] is no pair/],
    ["an id twice", ({ model }) => { model.vocab["!"] = 20; }, /both have the id 20/],
    ["an added token with the id of another", ({ added_tokens: [first] }) => { first!["id"] = 20; }, /both have the id|has the id/],
    ["merges of tokens that there are none of", ({ model }) => { model.merges = [["zz", "y"]]; }, /the merge \["zz","y"\] needs the token "zz"/],
    ["merges into a token that there is none of", ({ model }) => { model.merges = ["a q"]; }, /needs the token "aq"/],
    ["merges of three", ({ model }) => { model.merges = [["a", "b", "c"]]; }, /no pair of tokens/],
    ["a vocabulary that is a list", ({ model }) => { Object.assign(model, { vocab: ["a"], merges: [] }); }, /vocab is a list/],
    ["no vocabulary", ({ model }) => { Reflect.deleteProperty(model, "vocab"); }, /tokenizer\.json/],
    ["a model of no kind", (tokenizer) => { Object.assign(tokenizer, { model: { vocab: {} } }); }, /tokenizer\.json/],
    ["a pattern that is none", (tokenizer) => { tokenizer["pre_tokenizer"] = { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated" }; }, /Invalid regular expression/],
  ])("by %s is refused", async (_, change, why) => {
    await expect(load(change)).rejects.toMatchObject({ code: "TL_TOKENIZER_INVALID", message: expect.stringMatching(why) });
  });

  it.each(["normalizer", "pre_tokenizer", "post_processor", "decoder", "anything"])("by a %s that is nested without end is refused", async (part) => {
    await expect(load((tokenizer) => { tokenizer[part] = nested; }))
      .rejects.toMatchObject({ code: "TL_MODEL_CONFIGURATION", message: expect.stringMatching(/tokenizer\.json: .*nested more than 1000 deep/) });
  });

  it("may have a normalizer in a normalizer, hundreds deep", async () => {
    const tokenizer = await load((written) => {
      let normalizer: Members = { type: "Lowercase" };
      for (let depth = 0; depth < 400; depth++) normalizer = { type: "Sequence", normalizers: [normalizer] };
      written["normalizer"] = normalizer;
    });
    expect(tokenizer.decode(tokenizer.encode("TEXT"))).toBe("text");
  });

  it.each<[string, Members]>([
    ["pre_tokenizer", { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated", invert: false }],
    ["normalizer", { type: "Replace", pattern: { Regex: "(a+)+$" }, content: "" }],
  ])("by a pattern in its %s that backtracks for ever is stopped, and named", async (part, pattern) => {
    const tokenizer = await load((written) => { written[part] = pattern; });
    const hostile = `${"a".repeat(60)}!`;
    for (const use of [() => tokenizer.encode(hostile), () => tokenizer.encodePrompt([{ role: "user", content: hostile }])]) {
      expect(use).toThrow(expect.objectContaining({ code: "TL_TOKENIZER_INVALID", message: expect.stringContaining("it took longer than") as unknown }));
    }
  });

  it("does not stop a vocabulary as large as the largest in use", async () => {
    const tokenizer = await load(({ model }) => { for (let id = 300; id < 260_000; id++) model.vocab[`token ${id}`] = id; });
    expect(tokenizer.vocabulary).toBe(260_000);
  });
});

describe("a chat template that never ends", () => {
  const render = (source: string) => () => new ChatTemplate(source, "template", {}).render([{ role: "user", content: "hi" }], true);

  it.each([
    ["by a huge range", "{% for i in range(1000000000) %}x{% endfor %}", "range() of more than 100000 numbers"],
    ["by ranges in ranges", "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}", "it took longer than 1.5 s"],
    ["by a text that doubles", "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(60) %}{% set n.s = n.s + n.s %}{% endfor %}{{ n.s }}", "Invalid string length"],
    ["by parentheses without end", `{{ ${"(".repeat(100_000)}`, "call stack"],
    ["by a range without a step", "{{ range(0, 10, 0) }}", "range() of more than"],
  ])("%s is stopped", (_, source, why) => {
    expect(render(source)).toThrow(expect.objectContaining({ code: "TL_CHAT_TEMPLATE", message: expect.stringContaining(why) as unknown }));
  });

  it("is told from one that counts", () => {
    expect(render("{% for i in range(3) %}{{ i }}{% endfor %} {{ range(5, 1, -2) }}")()).toBe("012 [5, 3]");
  });

  it("reaches nothing of the program by names of prototypes", () => {
    expect(render("{{ messages.__proto__ }}{{ __proto__ }}{{ constructor }}")()).toBe("");
    expect(render("{{ ''.constructor.constructor('return process')() }}")).toThrow(expect.objectContaining({ code: "TL_CHAT_TEMPLATE" }));
  });
});

describe("a config.json of absurd sizes", () => {
  it.each([["num_hidden_layers", 1e9], ["vocab_size", 1e12], ["hidden_size", 1e15], ["max_position_embeddings", 2 ** 40], ["num_attention_heads", 1e9]])("is refused for %s %d", async (field, value) => {
    const directory = await temporaryDirectory();
    await writeConfiguration(directory, tiny, "language");
    const path = join(directory, "config.json");
    await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")) as Members, [field]: value }));
    await expect(describeModel(directory)).rejects.toMatchObject({ code: "TL_MODEL_CONFIGURATION", hint: expect.stringMatching(/whole number from 1 to \d+/) });
  });
});

describe("a model file that is none", () => {
  it.each(["config.json", "tokenizer.json", "chat_template.jinja"])("%s as a device is not read", async (name) => {
    const directory = await temporaryDirectory();
    await writeConfiguration(directory, tiny, "language");
    await writeTokenizer(directory, await trainBytePairs(["text"], { vocabulary: 261, isolateHan: false }));
    await rm(join(directory, name), { force: true });
    await symlink("/dev/zero", join(directory, name));
    await expect(Promise.all([Tokenizer.load(directory), describeModel(directory)])).rejects.toMatchObject({ code: "TL_DATA_UNREADABLE", message: expect.stringContaining("no regular file") });
  });

  it("of weights as a device, or larger than any memory, is refused", async () => {
    const directory = await temporaryDirectory();
    await symlink("/dev/zero", join(directory, "model.safetensors"));
    await expect(readSafetensors(join(directory, "model.safetensors"))).rejects.toMatchObject({ code: "TL_MODEL_FILE", message: expect.stringContaining("no regular file") });
    const bytes = 2 ** 43;
    const header = Buffer.from(JSON.stringify({ w: { dtype: "F32", shape: [bytes / 4], data_offsets: [0, bytes] } }));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const sparse = join(directory, "sparse.safetensors");
    await writeFile(sparse, Buffer.concat([length, header]));
    await truncate(sparse, 8 + header.length + bytes);
    await expect(readSafetensors(sparse)).rejects.toMatchObject({ code: "TL_MODEL_FILE", message: expect.stringContaining("more than the memory holds") });
  });
});

describe("tokenizer files that are copied with a model", () => {
  it("are no links into other folders", async () => {
    const [directory, target, secrets] = [await temporaryDirectory(), await temporaryDirectory(), await temporaryDirectory()];
    await writeTokenizer(directory, await trainBytePairs(["text"], { vocabulary: 261, isolateHan: false }));
    await writeFile(join(secrets, "key"), "secret");
    await symlink(join(secrets, "key"), join(directory, "merges.txt"));
    await (await Tokenizer.load(directory)).copyTo(target);
    await expect(readFile(join(target, "merges.txt"))).rejects.toMatchObject({ code: "ENOENT" });
    expect(await readFile(join(target, "tokenizer.json"), "utf8")).toBe(await readFile(join(directory, "tokenizer.json"), "utf8"));
  });
});
