import { readDataset } from "../data/dataset.js";
import type { Message, PromptRow } from "../data/types.js";
import { canonicalJson } from "../foundation/canonical.js";
import type { Tokenizer } from "../models/tokenizer.js";
import type { SampledAnswer } from "./answering.js";
import { encodeAnswer } from "./pairs.js";

/**
 * Reads a file of {prompt, response} rows and gives the answers to a prompt, in the order of the file. They count as
 * finished; no model's log-probabilities are known of them. Errors: those of reading data.
 */
export async function writtenAnswers(path: string, tokenizer: Tokenizer): Promise<(prompt: PromptRow) => SampledAnswer[]> {
  const { dialogues } = await readDataset({ name: "baseline", format: "dialogue", path, holdout: 0, maxBadShare: 0.01 });
  const byPrompt = new Map<string, string[]>();
  for (const { messages } of dialogues.train) {
    const key = keyOf(messages.slice(0, -1));
    byPrompt.set(key, [...byPrompt.get(key) ?? [], messages.at(-1)!.content]);
  }
  return (prompt) => (byPrompt.get(keyOf(prompt.messages)) ?? []).map((text) => {
    const { tokens, targets } = encodeAnswer(tokenizer, prompt.messages, text);
    return { prompt, sequence: tokens, targets, answer: { text, tokens: targets.length, finished: true } };
  });
}

function keyOf(messages: readonly Message[]): string {
  return canonicalJson(messages.map(({ role, content }) => [role, content]));
}
