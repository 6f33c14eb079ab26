import { ChatClient } from "../foundation/http/chat-client.js";
import type { Tokenizer } from "../models/tokenizer.js";
import type { ChatBaseline } from "../schemas/stages/evaluate.js";
import type { StageParameters } from "../schemas/stages/table.js";
import type { SampledAnswer } from "./answering.js";
import type { Baseline } from "./baseline.js";
import type { Asking } from "./chat-judge.js";
import { encodeAnswer } from "./pairs.js";
import { endpointSettings } from "./rewards/endpoint.js";

/**
 * A language model behind an HTTP API, asked `baselineSamples` times a prompt, each with a seed of its own. Its answers are counted in the
 * candidate's tokens, and no log-probabilities are known of them.
 */
export function chatBaseline(
  { chat }: ChatBaseline, { temperature, topP, maxNewTokens, baselineSamples }: StageParameters<"evaluate">, tokenizer: Tokenizer, { remembered, signal, seed }: Asking,
): Baseline {
  const settings = { ...endpointSettings(chat), model: chat.model, temperature, topP, maxTokens: maxNewTokens };
  const client = new ChatClient(settings, { remembered, ...(signal && { signal }) });
  return {
    kind: "chat", sharesTokenizer: true,
    knows: () => true,
    answer: (prompts) => Promise.all(Array.from({ length: baselineSamples }, (_, round) => Promise.all(prompts.map(async (prompt): Promise<SampledAnswer> => {
      const { text, finished } = await client.reply(prompt.messages, seed + round);
      const { tokens, targets } = encodeAnswer(tokenizer, prompt.messages, text);
      return { prompt, sequence: tokens, targets, answer: { text, tokens: targets.length, finished } };
    })))),
    logProbabilities: async () => undefined,
  };
}
