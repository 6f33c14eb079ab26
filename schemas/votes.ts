import { z } from "zod";
import { outcomes } from "./report.js";

/** What a person says of a pair of an evaluation's answers, as the candidate's outcome. */
export const voteSchema = z.strictObject({ annotator: z.string(), pair: z.string(), outcome: outcomes });
export type Vote = z.output<typeof voteSchema>;
