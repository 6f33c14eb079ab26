import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createReferenceBackend } from "../../backends/reference/index.js";
import { trainBytePairs, writeTokenizer } from "../../models/bpe.js";
import { readModelTensors } from "../../models/safetensors.js";
import { expectSameQuantities, itAgreesWithTransformers, readModelFacts, readTokenizerFacts, texts } from "./agreement.js";

const fixtures = new URL("fixtures/", import.meta.url).pathname;

describe("model directories that transformers saved", () => {
  const facts = readModelFacts(join(fixtures, "models"));

  it.each([...facts])("%s: every parameter is read", async (name, { parameters }) => {
    const tensors = await readModelTensors(join(fixtures, "models", name));
    expect([...tensors.values()].reduce((sum, { data }) => sum + data.length, 0)).toBe(parameters);
  });

  it.each([...facts])("%s: the same answers to 1e-4", async (name, fact) => {
    await expectSameQuantities(createReferenceBackend(), join(fixtures, "models", name), fact);
  });
});

describe("tokenizers beside transformers", () => {
  const facts = readTokenizerFacts(join(fixtures, "tokenizers"));
  let ours: string;
  beforeAll(async () => {
    ours = await mkdtemp(join(tmpdir(), "trueline-ours-"));
    await writeTokenizer(ours, await trainBytePairs(texts, { vocabulary: 320, isolateHan: true }));
  });
  afterAll(async () => {
    await rm(ours, { recursive: true });
  });

  for (const [name, fact] of facts) {
    describe(name, () => {
      itAgreesWithTransformers(() => (name === "ours" ? ours : join(fixtures, "tokenizers", name)), () => fact);
    });
  }
});
