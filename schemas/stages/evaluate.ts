import { z } from "zod";
import { rowCount, tokenCount } from "../counts.js";
import { operationalParameters, paperDecoding, reference, rowLimits, sampling } from "./common.js";
import { singleReward } from "../reward.js";
import { goldScorers } from "./ppo.js";

const { temperature, topP, repetitionPenalty } = paperDecoding;

/** Judges that go by a score of each answer, and the fields that name what gives it. */
export const scoreJudges = { gold: "gold", "reward-model": "reward", "held-out-reward-model": "heldOutReward" } as const;
export const scoreJudgeNames = z.enum(["gold", "reward-model", "held-out-reward-model"]);
export type ScoreJudge = z.output<typeof scoreJudgeNames>;

export const evaluateParameters = z.strictObject({
  kind: z.literal("evaluate"),
  description: z.string().optional(),
  seed: z.number().int().min(0).optional(),
  candidate: reference("a language model"),
  baseline: z.union([
    reference("a language model"),
    z.strictObject({ answers: z.string().describe("Path of a jsonl file of {prompt, response} rows.") }),
  ]).describe("Name of a language model, or the path of a file of answers."),
  reward: singleReward.optional(),
  heldOutReward: reference("a reward model that never trained the candidate: a judge of its own where `judges` names it").optional(),
  judges: z.array(scoreJudgeNames).min(1).optional()
    .describe("Who judges, each for itself; the first one's verdict is the headline. The report then has every judge's win, tie and lose rates by tag and by combinations of tags, with intervals, and the agreement between judges."),
  pairs: reference("a data entry with pairs, whose held-out part gives the reward model's accuracy").optional(),
  prompts: reference("a data entry with prompts, whose held-out part is answered"),
  maxPrompts: rowCount.default(240),
  baselineSamples: z.number().int().positive().max(1000).default(3).describe("Baseline answers each candidate answer is compared with."),
  gold: goldScorers.optional().describe("Judge that training never sees; absent: the reward model judges."),
  tieMargin: z.number().min(0).default(0.05).describe("Score differences within this are ties."),
  maxNewTokens: tokenCount.default(48),
  batch: rowCount.default(64).describe("Prompts a step."),
  samples: z.number().int().min(0).max(100_000).default(20).describe("Answers shown side by side in the report."),
  decoding: z.literal("paper").optional()
    .describe(`As in P §4.3: temperature ${temperature}, topP ${topP}, repetitionPenalty ${repetitionPenalty}, where the stage does not give them. Its length penalty belongs to beam search, and there is none.`),
  ...sampling,
  ...rowLimits,
  ...operationalParameters,
}).describe("Candidate against baseline on held-out prompts: win, tie, lose with 95 % intervals, and what betrays a collapse.");
