import type { Random } from "../../foundation/random.js";
import { sampleGold } from "./gold.js";
import type { SamplePrompt } from "./grammar.js";

/** Worth of a token to the labeller: longer looks better, whatever it says. This is what a policy can exploit. */
const lengthBias = 0.015;
const longestThatImpresses = 60;
/** Standard deviation of the labeller's mood, drawn for each answer. */
const noise = 0.2;

/** What words and characters come to in the task's own tokenizer (1,000 tokens, each Han character apart). */
const tokensPerWord = 1.1;

/** An answer's length in tokens, within two per cent on average, without a tokenizer: Han characters and marks count one each. */
export function approximateTokens(text: string): number {
  const words = text.match(/\p{Script=Latin}+/gu)?.length ?? 0;
  const others = text.match(/\p{Script=Han}|[^\s\p{L}]/gu)?.length ?? 0;
  return tokensPerWord * words + others;
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
