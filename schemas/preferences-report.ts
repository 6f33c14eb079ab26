import { z } from "zod";
import { answerSchema, intervalSchema, repliesSchema } from "./report.js";

/** Files of a preferences stage's artifact; the pairs of each side are rows of format `preference`. */
export const PAIR_FILES = { train: "train.jsonl", heldOut: "held-out.jsonl" } as const;
export const SAMPLED_FILE = "answers.jsonl";

const tags = z.record(z.string(), z.string());
const prompt = z.array(z.strictObject({ role: z.enum(["system", "user", "assistant"]), content: z.string() }));

/** A line of answers.jsonl: a prompt with the policy's answers. */
export const sampledPromptSchema = z.strictObject({ side: z.enum(["train", "heldOut"]), prompt, tags, answers: z.array(answerSchema) });

/** A row of format `preference`, with the scores that labelled it. A label that was flipped has the lower score on its chosen side. */
export const labelledPairSchema = z.strictObject({
  prompt, chosen: z.string(), rejected: z.string(), score_chosen: z.number(), score_rejected: z.number(), tags,
});

const meansSchema = z.strictObject({
  score: z.number(),
  /** Tokens, the end token included. */
  length: z.number(),
  /** Share of answers cut at maxNewTokens. */
  unfinished: z.number(),
});

/** What came of the prompts of one side, or of those with one tag. */
const preferencesPartSchema = z.strictObject({
  prompts: z.number().int(),
  answers: meansSchema.extend({ count: z.number().int(), scoreStd: z.number() }),
  pairs: z.number().int(),
  /** Prompts without a pair. */
  unpaired: z.number().int(),
  /** Two different answers to a prompt whose scores are within the margin. */
  close: z.number().int(),
  /** Answers that are blank, or that an earlier one to the same prompt equals. */
  alike: z.number().int(),
  /** Pairs whose label was flipped. */
  flipped: z.number().int(),
  /** Of the pairs; absent where there are none. */
  chosen: meansSchema.optional(),
  rejected: meansSchema.optional(),
  /** Share in which the longer answer is preferred, of the pairs whose answers differ in length. */
  longer: intervalSchema.optional(),
  /** Share in which the gold score prefers the same answer, of the pairs whose gold scores differ; where something else labels. */
  agreement: intervalSchema.optional(),
});

/** report.json of a preferences stage. */
export const preferencesReportSchema = z.strictObject({
  version: z.literal(1),
  judge: z.enum(["gold", "reward-model"]),
  margin: z.number(),
  most: z.number().int(),
  noise: z.number(),
  sampling: z.strictObject({
    samples: z.number().int(), temperature: z.number(), topP: z.number(), topK: z.number(), repetitionPenalty: z.number(), maxNewTokens: z.number(), seed: z.number(),
  }),
  /** How the intervals were made, in words. */
  intervals: z.string(),
  /** Where the reward is a judge that is asked for a number. */
  rewardReplies: repliesSchema.optional(),
  train: preferencesPartSchema,
  /** Absent where no held-out prompt was answered. */
  heldOut: preferencesPartSchema.optional(),
  /** Training prompts by the values of their tags. */
  groups: z.array(preferencesPartSchema.extend({ tag: z.string(), value: z.string() })),
  /** A few of the training pairs. */
  examples: z.array(labelledPairSchema),
});

export type SampledPrompt = z.output<typeof sampledPromptSchema>;
export type LabelledPair = z.output<typeof labelledPairSchema>;
export type PreferencesPart = z.output<typeof preferencesPartSchema>;
export type PreferencesReport = z.output<typeof preferencesReportSchema>;
