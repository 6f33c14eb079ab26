import { z } from "zod";
import { tokenCount } from "./counts.js";
import { chatAddress, endpointFields } from "./endpoint.js";
import { nameSchema } from "./name.js";
import { durationSchema, reference } from "./stages/common.js";
import { memorySchema } from "./task-queue.js";

/** What brings the scores of a reward without an artifact to mean 0 and std 1. */
const normalizeField = {
  normalize: z.union([
    z.strictObject({ mean: z.number(), std: z.number().positive() }),
    z.strictObject({ answers: z.number().int().min(2).describe("Answers of the policy, before the first step, whose mean and std are taken.") }),
  ]).optional().describe("Scores become (score − mean) / std: with the numbers given in {\"mean\": …, \"std\": …}, or, by {\"answers\": 64}, with those measured on so many answers of the policy before its first step. Absent: scores as they are."),
} as const;

const versionField = {
  version: z.string().optional().describe("Raised by hand when what answers there has changed: of the server only its address and this are part of the key."),
} as const;

export const moduleReward = z.strictObject({
  module: z.string().min(1).describe("Path of a JavaScript module that exports `reward`, looked for as data files are; the key counts its content, not that of what it imports."),
  options: z.record(z.string(), z.json()).optional().describe("Given to the module as `options`."),
  timeLimit: durationSchema.default("60s").describe("For one batch of answers; loading it has at least a minute. Does not change keys."),
  memory: memorySchema.default("1GB").describe("What the module may take of memory, its heap and its buffers. Does not change keys."),
  ...normalizeField,
});

export const endpointReward = z.strictObject({
  ...endpointFields,
  batch: z.number().int().min(1).max(1024).default(32).describe("Answers a request. Does not change keys."),
  ...versionField,
  ...normalizeField,
});

export const judgeReward = z.strictObject({
  judge: z.strictObject({
    ...endpointFields, url: chatAddress,
    model: z.string().min(1).describe("What the server calls the model that judges."),
    rubric: z.string().min(1).default("A good answer is helpful, honest and harmless.").describe("What it is told to look at."),
    prompt: z.string().min(1).optional().describe("The whole question in words of your own, in which {dialogue}, {answer}, {rubric}, {low} and {high} are filled in."),
    scale: z.strictObject({ low: z.number().default(1), high: z.number().default(10) }).prefault({}).describe("Numbers that it may give; as a reward `low` is 0 and `high` is 1."),
    temperature: z.number().min(0).default(0),
    maxTokens: tokenCount.default(16).describe("Tokens that its reply may have."),
    attempts: z.number().int().min(1).max(10).default(3).describe("Replies that are asked for, until one holds a number of the scale."),
    unreadable: z.union([z.literal("fail"), z.number()]).default("fail").describe("After the last attempt: fail the stage, or take this number of the scale."),
    ...versionField,
  }).describe("A language model behind an OpenAI-compatible API that gives each answer a number."),
  ...normalizeField,
});

const termFields = {
  weight: z.number().optional().describe("Of a sum; default 1."),
  name: nameSchema.optional().describe("Names its metric objective/scores/NAME; default: its place in the list, from 1."),
} as const;

const term = z.union([
  reference("a reward model"),
  z.strictObject({ from: reference("a reward model"), ...termFields }),
  moduleReward.extend(termFields),
  endpointReward.extend(termFields),
  judgeReward.extend(termFields),
]).describe("The name of a reward model, {\"from\": …} of one with a weight, a module, an endpoint or a judge. Terms don't nest: those of a list or a combination inside another stand in the outer one.");
const terms = z.array(term).min(1);

const combinedReward = z.strictObject({
  combine: z.enum(["sum", "mean", "min", "mean-minus-std"]).describe("Of an answer's normalised scores: their weighted sum, their mean, the least, or the mean minus their standard deviation (Coste et al., arXiv 2310.02743: ensembles that a policy finds harder to exploit)."),
  deviations: z.number().positive().optional().describe("How many standard deviations mean-minus-std takes off; default 1."),
  terms,
});

/** What scores answers by itself. */
export const singleReward = z.union([reference("a reward model"), moduleReward, endpointReward, judgeReward])
  .describe("What scores answers: the name of a reward model; a module of yours, {\"module\": \"./reward.mjs\"}; an HTTP endpoint, {\"url\": …}; a model that judges, {\"judge\": …}. docs/rewards.md has them all.");

/** What scores answers, by itself or as a combination of terms. */
export const rewardSchema = z.union([...singleReward.options, terms, combinedReward])
  .describe("What scores answers: the name of a reward model; a module of yours, {\"module\": \"./reward.mjs\"}; an HTTP endpoint, {\"url\": …}; a model that judges, {\"judge\": …}; a list of these with weights, or {\"combine\": \"min\", \"terms\": […]}. docs/rewards.md has them all.");

export const lengthPenalty = z.strictObject({
  above: z.number().int().min(0).describe("Tokens that cost nothing, the end token included."),
  perToken: z.number().positive().describe("Taken off the score for each further token."),
}).describe("Takes off the scores of long answers what each token above a number costs. `objective/scores` is what the reward says without it.");

export type RewardSpec = z.output<typeof rewardSchema>;
export type SingleReward = z.output<typeof singleReward>;
export type RewardTerm = z.output<typeof term>;
/** Rewards that read text. */
export type TextReward = z.output<typeof moduleReward> | z.output<typeof endpointReward> | z.output<typeof judgeReward>;
export type ModuleReward = z.output<typeof moduleReward>;
export type EndpointReward = z.output<typeof endpointReward>;
export type JudgeReward = z.output<typeof judgeReward>;
export type CombinedReward = z.output<typeof combinedReward>;

/** A reward of several terms in its one form; undefined where it is none. */
export function combinedOf(reward: RewardSpec): CombinedReward | undefined {
  if (Array.isArray(reward)) return { combine: "sum", terms: reward };
  return typeof reward === "object" && "terms" in reward ? reward : undefined;
}

/** The terms of a reward; itself where it is none of several. */
export function termsOf(reward: RewardSpec): readonly RewardTerm[] {
  if (Array.isArray(reward)) return reward;
  return typeof reward === "object" && "terms" in reward ? reward.terms : [reward];
}

/** What metrics call a term of a reward. */
export function termName(term: RewardTerm, index: number): string {
  return (typeof term === "object" ? term.name : undefined) ?? String(index + 1);
}

/** What a plan calls the input that a term reads. */
export const termInput = (index: number): string => `reward.${index + 1}`;
