import { z } from "zod";
import { rowCount } from "../counts.js";
import { operationalParameters, reference, rowLimits } from "./common.js";

export const rewardAccuracyParameters = z.strictObject({
  kind: z.literal("reward-accuracy"),
  description: z.string().optional(),
  seed: z.number().int().min(0).optional(),
  reward: reference("a reward model"),
  pairs: z.union([reference("a data entry with pairs, or of a stage that makes them"), z.array(reference("a data entry with pairs, or of a stage that makes them")).min(1)])
    .describe("Name of a data entry with pairs or of a stage that makes them, or a list of such names. Of each the held-out part is ranked, for itself."),
  batch: rowCount.default(64).describe("Pairs a step."),
  ...rowLimits,
  ...operationalParameters,
}).describe("How often a reward model gives the preferred answer the higher score, on held-out pairs of one kind or several: accuracy with 95 % intervals, by tag, and how far the scores are apart.");
