import { textLike } from "./text.js";

/** Names of pipelines, guards, and of a sweep's axes and variants. */
export const nameSchema = textLike(/^[A-Za-z][A-Za-z0-9-]*$/, "letters, digits and dashes, a letter first").describe("Letters, digits and dashes, a letter first.");

/** Names of stages, models and data entries: the copies that a sweep makes have dots in theirs. */
export const entryNameSchema = textLike(/^[A-Za-z][A-Za-z0-9-]*(\.[A-Za-z0-9-]+)*$/, "letters, digits and dashes, a letter first, single dots inside")
  .describe("Letters, digits and dashes, a letter first; single dots inside.");
