import { z } from "zod";

/** Names of pipelines, stages, models, data entries and guards. */
export const nameSchema = z.string().regex(/^[A-Za-z][A-Za-z0-9-]*$/).describe("Letters, digits and dashes, a letter first.");
