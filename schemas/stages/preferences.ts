import { z } from "zod";
import { rowCount, tokenCount } from "../counts.js";
import { operationalParameters, paperDecodingWords, reference, rowLimits, sampling } from "./common.js";
import { singleReward } from "../reward.js";
import { goldScorers } from "./ppo.js";

export const preferencesParameters = z.strictObject({
  kind: z.literal("preferences"),
  description: z.string().optional(),
  seed: z.number().int().min(0).optional(),
  policy: reference("a language model: whose answers are compared"),
  prompts: z.union([reference("a data entry with prompts"), z.array(reference("a data entry with prompts")).min(1)])
    .describe("Name of a data entry with prompts, or a list of such names. Pairs are held out as their prompts are."),
  samples: z.number().int().min(2).max(1000).default(4).describe("Answers to a prompt, each two of which may be a pair."),
  judge: z.enum(["gold", "reward-model"]).optional().describe("Whose scores label the pairs, `gold`'s or `reward`'s; default: `gold` where it is named."),
  gold: goldScorers.optional().describe("A scorer that knows the task. Where `reward` labels the pairs, the report says how often it agrees."),
  reward: singleReward.optional(),
  margin: z.number().min(0).default(0.05).describe("Answers whose scores differ by no more are no pair: its label would be chance."),
  most: z.number().int().positive().max(1_000_000).default(3).describe("Pairs of a prompt at most, those whose scores differ most. With 1 it is the best answer and the worst."),
  noise: z.number().gt(0).max(0.5).optional().describe("Share of the training pairs whose labels are flipped, by the seed; held-out pairs keep theirs."),
  maxPrompts: rowCount.optional().describe("Training prompts that are answered, spread over tags; default: all."),
  maxHeldOutPrompts: z.number().int().min(0).max(1_000_000_000).optional().describe("Held-out prompts that are answered; default: all."),
  maxNewTokens: tokenCount.default(48),
  batch: rowCount.default(64).describe("Prompts a step."),
  decoding: z.literal("paper").optional().describe(paperDecodingWords),
  ...sampling,
  temperature: z.number().positive().default(0.8),
  ...rowLimits,
  ...operationalParameters,
}).describe("Samples several answers of a policy to each prompt and labels pairs of them: data of format `preference`, which other stages name as they name a data entry.");
