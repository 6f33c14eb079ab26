import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { randomAt } from "../../foundation/random.js";
import { smallestVocabulary, specialTokens, trainBytePairs, writeTokenizer } from "../../models/bpe.js";
import { learnMerges } from "../../models/merges.js";
import { Tokenizer } from "../../models/tokenizer.js";
import { temporaryDirectory } from "./support.js";

const alphabet = ["a", "b", "c"];
const learn = async (words: Record<string, number>, size: number) => {
  const { tokens, merges } = await learnMerges(new Map(Object.entries(words)), alphabet, size);
  return { tokens: tokens.slice(alphabet.length), merges };
};

describe("merges", () => {
  it("join the most frequent pair first, and count anew what it changes", async () => {
    // ab 5, bc 4; once ab is a token, bc is left only where no a stands before
    expect(await learn({ ab: 3, abc: 2, bc: 2 }, 5)).toEqual({ tokens: ["ab", "bc"], merges: [[0, 1], [1, 2]] });
  });

  it("settle ties by the smaller ids, whatever the order of words", async () => {
    expect((await learn({ cb: 2, ba: 2, bc: 2 }, 4)).merges).toEqual([[1, 0]]);
    expect((await learn({ bc: 2, cb: 2, ba: 2 }, 4)).merges).toEqual([[1, 0]]);
  });

  it("count a run of one letter by the pairs that can be joined", async () => {
    expect(await learn({ aaaa: 1, aaa: 1 }, 5)).toEqual({ tokens: ["aa"], merges: [[0, 0]] });
  });

  it("end when no pair occurs twice", async () => {
    expect(await learn({ ab: 1, cb: 1 }, 10)).toEqual({ tokens: [], merges: [] });
  });
});

describe("a trained tokenizer", () => {
  const texts = ["the red lamp, the red hall", "the blue lamp", "红灯红灯红灯 the hall 红灯"];

  it("begins with special tokens and bytes, and holds what is frequent", async () => {
    const { tokens } = await trainBytePairs(texts, { vocabulary: 290, isolateHan: true });
    expect(tokens.slice(0, 5)).toEqual([...specialTokens]);
    expect(tokens).toContain("Ġthe");
    expect(new Set(tokens).size).toBe(tokens.length);
  });

  it("is the same for texts in another order", async () => {
    const options = { vocabulary: 300, isolateHan: true };
    expect(await trainBytePairs([...texts].reverse(), options)).toEqual(await trainBytePairs(texts, options));
  });

  it("never joins two Han characters when they are isolated, and does when not", async () => {
    const tokensOf = async (isolateHan: boolean) => {
      const directory = await temporaryDirectory();
      await writeTokenizer(directory, await trainBytePairs(texts, { vocabulary: 300, isolateHan }));
      const tokenizer = await Tokenizer.load(directory);
      return Array.from(tokenizer.encode("红灯"), (id) => tokenizer.decode([id]));
    };
    expect(await tokensOf(true)).toEqual(["红", "灯"]);
    expect(await tokensOf(false)).toEqual(["红灯"]);
  });

  it("without merges has a token for each byte", async () => {
    const directory = await temporaryDirectory();
    const trained = await trainBytePairs(texts, { vocabulary: smallestVocabulary, isolateHan: true });
    await writeTokenizer(directory, trained);
    const tokenizer = await Tokenizer.load(directory);
    expect([trained.merges.length, tokenizer.vocabulary]).toEqual([0, 261]);
    expect(tokenizer.encode("hckna")).toHaveLength(5);
    expect(tokenizer.encode("灯")).toHaveLength(3);
  });

  it("of too small a vocabulary is refused", async () => {
    await expect(trainBytePairs(texts, { vocabulary: 260, isolateHan: true })).rejects.toMatchObject({ code: "TL_TOKENIZER_INVALID" });
  });

  it("is learnt without holding up timers: a worker's heartbeat goes on", async () => {
    const random = randomAt(1, "words");
    const word = () => Array.from({ length: 4 + random.integer(8) }, () => random.pick("etaoinshrdlu".split(""))).join("");
    const corpus = Array.from({ length: 400 }, () => Array.from({ length: 100 }, word).join(" "));
    let ticks = 0;
    const timer = setInterval(() => { ticks++; }, 1);
    await trainBytePairs(corpus, { vocabulary: 600, isolateHan: true });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(1);
  });

  it("tells how far it is", async () => {
    const calls: [number, number][] = [];
    await trainBytePairs(texts, { vocabulary: 264, isolateHan: true, onProgress: (done, of) => calls.push([done, of]) });
    expect(calls).toEqual([[262, 264], [263, 264], [264, 264]]);
  });

  it("says in its files that PAD is not EOS, and how chats look", async () => {
    const directory = await temporaryDirectory();
    await writeTokenizer(directory, await trainBytePairs(texts, { vocabulary: 280, isolateHan: true }));
    const config: unknown = JSON.parse(await readFile(join(directory, "tokenizer_config.json"), "utf8"));
    expect(config).toMatchObject({ pad_token: "<|pad|>", eos_token: "<|end|>", tokenizer_class: "PreTrainedTokenizerFast", clean_up_tokenization_spaces: false });
    const file: unknown = JSON.parse(await readFile(join(directory, "tokenizer.json"), "utf8"));
    expect(file).toMatchObject({ pre_tokenizer: { pretokenizers: [{ pattern: { Regex: "\\p{Han}" }, behavior: "Isolated" }, { type: "Split" }, { type: "ByteLevel" }] } });
    const tokenizer = await Tokenizer.load(directory);
    expect([tokenizer.padToken, tokenizer.endTokens]).toEqual([0, [1]]);
  });
});
