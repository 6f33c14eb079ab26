import type { Random } from "../../foundation/random.js";
import { sampleGold } from "./gold.js";
import type { SamplePrompt } from "./grammar.js";

/** Worth of a token to the labeller: longer looks better, whatever it says. This is what a policy can exploit. */
const lengthBias = 0.015;
const longestThatImpresses = 60;
/** Standard deviation of the labeller's mood, drawn for each answer. */
const noise = 0.2;

/**
 * An answer's length in tokens without a tokenizer: words, Han characters and marks count one each. The task's own
 * tokenizer, with each Han character apart, needs about as many.
 */
export function approximateTokens(text: string): number {
  return text.match(/\p{Script=Han}|\p{Script=Latin}+|[^\s\p{L}]/gu)?.length ?? 0;
}

/** How good a finished answer looks to the labeller: its gold score, its length, and chance. */
function impression(prompt: SamplePrompt, answer: string, random: Random): number {
  const gold = sampleGold([{ role: "user", content: prompt.text }], answer, true);
  return gold + lengthBias * Math.min(longestThatImpresses, approximateTokens(answer)) + noise * random.normal();
}

/** Two answers to a prompt in the labeller's order of preference. */
export function preferred(prompt: SamplePrompt, first: string, second: string, random: Random): { chosen: string; rejected: string } {
  return impression(prompt, first, random) >= impression(prompt, second, random)
    ? { chosen: first, rejected: second }
    : { chosen: second, rejected: first };
}
