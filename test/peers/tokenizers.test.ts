import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { trainBytePairs, writeTokenizer } from "../../models/bpe.js";
import { itAgreesWithTransformers, readTokenizerFacts, texts } from "../models/agreement.js";
import { needsPython, python, runScript } from "./python.js";

const trained = z.object({ tokens: z.array(z.string()), merges: z.array(z.tuple([z.string(), z.string()])) });
const textsPath = new URL("texts.json", import.meta.url).pathname;

describe.skipIf(python === undefined)(`tokenizers beside Python's${needsPython}`, () => {
  let root: string;
  const facts = new Map<string, ReturnType<typeof readTokenizerFacts> extends ReadonlyMap<string, infer Facts> ? Facts : never>();
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "trueline-peers-"));
    await mkdir(join(root, "ours"));
    await writeTokenizer(join(root, "ours"), await trainBytePairs(texts, { vocabulary: 320, isolateHan: true }));
    await runScript("tokenizer_fixtures.py", textsPath, root, join(root, "ours"));
    for (const [name, fact] of readTokenizerFacts(root)) facts.set(name, fact);
  });
  afterAll(async () => {
    await rm(root, { recursive: true, force: true });
  });

  for (const name of ["ours", "gpt2", "llama2", "llama3", "metaspace", "qwen2", "unigram"]) {
    describe(name, () => {
      itAgreesWithTransformers(() => join(root, name), () => facts.get(name)!);
    });
  }

  it.each([["han", true], ["words", false]] as const)("learns the merges that Python's trainer learns (%s)", async (mode, isolateHan) => {
    const shared = process.env.TRUELINE_TEST_DATA ?? "../shared/data";
    const play = await readFile(join(shared, "tinyshakespeare/input.txt.gz")).then((bytes) => gunzipSync(bytes).toString("utf8"), () => "");
    const corpus = [...play.split("\n\n"), ...texts, ...texts];
    const path = join(root, "corpus.json");
    await writeFile(path, JSON.stringify(corpus));
    const theirs = trained.parse(JSON.parse(await runScript("train_bpe.py", path, "2000", mode)));
    const ours = await trainBytePairs(corpus, { vocabulary: 2000, isolateHan });
    expect(ours.tokens).toEqual(theirs.tokens);
    expect(ours.merges).toEqual(theirs.merges);
  });
});
