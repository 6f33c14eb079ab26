import { z } from "zod";

/** Names of pipelines, guards, and of a sweep's axes and variants. */
export const nameSchema = z.string().regex(/^[A-Za-z][A-Za-z0-9-]*$/).describe("Letters, digits and dashes, a letter first.");

/** Names of stages, models and data entries: the copies that a sweep makes have dots in theirs. */
export const entryNameSchema = z.string().regex(/^[A-Za-z][A-Za-z0-9-]*(\.[A-Za-z0-9-]+)*$/)
  .describe("Letters, digits and dashes, a letter first; single dots inside.");
