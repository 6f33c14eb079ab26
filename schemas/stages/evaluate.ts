import { z } from "zod";
import { operationalParameters, reference, rowLimits, sampling } from "./common.js";
import { goldScorers } from "./ppo.js";

export const evaluateParameters = z.strictObject({
  kind: z.literal("evaluate"),
  description: z.string().optional(),
  seed: z.number().int().min(0).optional(),
  candidate: reference("a language model"),
  baseline: z.union([
    reference("a language model"),
    z.strictObject({ answers: z.string().describe("Path of a jsonl file of {prompt, response} rows.") }),
  ]).describe("Name of a language model, or the path of a file of answers."),
  reward: reference("a reward model").optional(),
  pairs: reference("a data entry with pairs, whose held-out part gives the reward model's accuracy").optional(),
  prompts: reference("a data entry with prompts, whose held-out part is answered"),
  maxPrompts: z.number().int().positive().default(240),
  baselineSamples: z.number().int().positive().default(3).describe("Baseline answers each candidate answer is compared with."),
  gold: goldScorers.optional().describe("Judge that training never sees; absent: the reward model judges."),
  tieMargin: z.number().min(0).default(0.05).describe("Score differences within this are ties."),
  maxNewTokens: z.number().int().positive().default(48),
  batch: z.number().int().positive().default(64).describe("Prompts a step."),
  samples: z.number().int().min(0).default(20).describe("Answers shown side by side in the report."),
  ...sampling,
  ...rowLimits,
  ...operationalParameters,
}).describe("Candidate against baseline on held-out prompts: win, tie, lose with 95 % intervals, and what betrays a collapse.");
