import { z } from "zod";
import { endpointFields } from "./endpoint.js";
import { durationSchema, reference } from "./stages/common.js";
import { memorySchema } from "./task-queue.js";

/** What brings the scores of a reward without an artifact to mean 0 and std 1. */
const normalizeField = {
  normalize: z.union([
    z.strictObject({ mean: z.number(), std: z.number().positive() }),
    z.strictObject({ answers: z.number().int().min(2).describe("Answers of the policy, before the first step, whose mean and std are taken.") }),
  ]).optional().describe("Scores become (score − mean) / std: with the numbers given, or with those measured on so many answers of the policy before its first step. Absent: scores as they are."),
} as const;

export const moduleReward = z.strictObject({
  module: z.string().min(1).describe("Path of a JavaScript module that exports `reward`, looked for as data files are; the key counts its content, not that of what it imports."),
  options: z.record(z.string(), z.json()).optional().describe("Given to the module as `options`."),
  timeLimit: durationSchema.default("60s").describe("For one batch of answers; loading it has at least a minute. Does not change keys."),
  memory: memorySchema.default("1GB").describe("Heap that the module may fill. Does not change keys."),
  ...normalizeField,
});

export const endpointReward = z.strictObject({
  ...endpointFields,
  batch: z.number().int().min(1).max(1024).default(32).describe("Answers a request. Does not change keys."),
  version: z.string().optional().describe("Raised by hand when what answers there has changed: only the address and this are part of the key."),
  ...normalizeField,
});

const wholeReward = [
  reference("a reward model"),
  moduleReward,
  endpointReward,
] as const;

/** What scores answers: a reward model by its name, or something else. */
export const rewardSchema = z.union(wholeReward)
  .describe("What scores answers: the name of a reward model; a module of yours, {\"module\": \"./reward.mjs\"}; an HTTP endpoint, {\"url\": …}. docs/rewards.md has them all.");

export type RewardSpec = z.output<typeof rewardSchema>;
export type ModuleRewardSpec = z.output<typeof moduleReward>;
export type EndpointRewardSpec = z.output<typeof endpointReward>;
export type Normalize = z.output<typeof normalizeField.normalize>;
