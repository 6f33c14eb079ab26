import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { z } from "zod";
import type { Backend, Quantity } from "../../backends/backend.js";
import { describeModel } from "../../models/configuration.js";
import { Tokenizer } from "../../models/tokenizer.js";

/** What transformers computed, as the scripts in test/peers write it. */
const quantities = {
  logProbabilities: z.array(z.number()).optional(),
  scores: z.array(z.number()).optional(),
  values: z.array(z.number()).optional(),
};
const modelFacts = z.object({ rows: z.array(z.array(z.number())), parameters: z.number(), ...quantities });
export type ModelFacts = z.output<typeof modelFacts>;

const message = z.object({ role: z.enum(["system", "user", "assistant"]), content: z.string() });
const tokenizerFacts = z.object({
  size: z.number(), eos: z.number(), pad: z.number(),
  ids: z.array(z.array(z.number())),
  decoded: z.array(z.string()),
  dialogues: z.array(z.object({
    messages: z.array(message), text: z.string(), ids: z.array(z.number()), prompt_text: z.string(), prompt_ids: z.array(z.number()),
  })),
});
type TokenizerFacts = z.output<typeof tokenizerFacts>;

const readExpected = <Form extends z.ZodType>(directory: string, form: Form) =>
  new Map(Object.entries(z.record(z.string(), form).parse(JSON.parse(readFileSync(join(directory, "expected.json"), "utf8")))));

export const readModelFacts = (directory: string) => readExpected(directory, modelFacts);
export const readTokenizerFacts = (directory: string) => readExpected(directory, tokenizerFacts);

export const texts: readonly string[] = z.array(z.string()).parse(
  JSON.parse(readFileSync(new URL("../peers/texts.json", import.meta.url), "utf8")),
);

/** Asks a backend for everything that transformers was asked, and compares to 1e-4. */
export async function expectSameQuantities(backend: Backend, directory: string, facts: Omit<ModelFacts, "parameters">): Promise<void> {
  const { head } = await describeModel(directory);
  const sequences = facts.rows.map((row) => Int32Array.from(row));
  const targets = sequences.map((row) => Int32Array.from({ length: row.length - 1 }, (_, index) => index + 1));
  const asked = (["logProbabilities", "scores", "values"] as const satisfies Quantity[]).filter((name) => facts[name] !== undefined);
  expect(asked).not.toEqual([]);
  await backend.load({ model: directory, directory, head, trainable: false });
  const result = await backend.forward(directory, { batch: { sequences, targets }, quantities: asked });
  for (const name of asked) {
    const [ours, theirs] = [result[name]!, facts[name]!];
    expect(ours.length, name).toBe(theirs.length);
    theirs.forEach((value, index) => expect(Math.abs(ours[index]! - value), `${name}[${index}]`).toBeLessThan(1e-4));
  }
  await backend.unload(directory);
}

/** Declares the tests that one tokenizer agrees with transformers. */
export function itAgreesWithTransformers(directory: () => string, facts: () => TokenizerFacts): void {
  it("knows the same size, end and padding tokens", async () => {
    const tokenizer = await Tokenizer.load(directory());
    expect([tokenizer.vocabulary, tokenizer.endTokens, tokenizer.padToken]).toEqual([facts().size, [facts().eos], facts().pad]);
  });

  it("encodes texts into the same tokens", async () => {
    const tokenizer = await Tokenizer.load(directory());
    texts.forEach((text, index) => expect([...tokenizer.encode(text)], JSON.stringify(text)).toEqual(facts().ids[index]));
  });

  it("decodes them into the same texts", async () => {
    const tokenizer = await Tokenizer.load(directory());
    expect(facts().ids.map((ids) => tokenizer.decode(ids))).toEqual(facts().decoded);
  });

  it("renders dialogues and prompts into the same text and tokens", async () => {
    const tokenizer = await Tokenizer.load(directory());
    for (const { messages, text, ids, prompt_text, prompt_ids } of facts().dialogues) {
      expect(tokenizer.renderChat(messages, { generationPrompt: false })).toBe(text);
      expect(tokenizer.renderChat(messages.slice(0, -1), { generationPrompt: true })).toBe(prompt_text);
      expect([...tokenizer.encodePrompt(messages.slice(0, -1))]).toEqual(prompt_ids);
      expect([...tokenizer.encodeDialogue(messages).tokens]).toEqual(ids);
    }
  });
}
