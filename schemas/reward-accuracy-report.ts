import { z } from "zod";
import { intervalSchema } from "./report.js";

const rankedSchema = z.strictObject({
  pairs: z.number().int(),
  /** Different prompts among them. */
  prompts: z.number().int(),
  /** Share of pairs whose preferred answer has the higher score. */
  accuracy: intervalSchema,
  /** Share of pairs whose preferred answer is the longer one, of those that differ in length: what a rule gets that counts tokens. */
  longer: intervalSchema.optional(),
});

/** report.json of a reward-accuracy stage. */
export const accuracyReportSchema = z.strictObject({
  version: z.literal(1),
  intervals: z.string(),
  /** Pairs that were not ranked, because they are longer than the context. */
  tooLong: z.number().int(),
  overall: rankedSchema,
  sets: z.array(rankedSchema.extend({
    name: z.string(),
    groups: z.array(rankedSchema.extend({ tag: z.string(), value: z.string() })),
    /** Raw score of the preferred answer minus that of the dispreferred, a pair each. */
    differences: z.array(z.number()),
  })),
});

export type Ranked = z.output<typeof rankedSchema>;
export type AccuracyReport = z.output<typeof accuracyReportSchema>;
