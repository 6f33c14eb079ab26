import { z } from "zod";

/** What the thread of a module is started with. */
export const moduleTaskSchema = z.strictObject({ path: z.string(), options: z.record(z.string(), z.json()) });
export type ModuleTask = z.output<typeof moduleTaskSchema>;

/** What the thread says: once how it started, then something to each batch. */
export const moduleAnswerSchema = z.discriminatedUnion("is", [
  z.strictObject({ is: z.literal("ready") }),
  z.strictObject({ is: z.literal("unloadable"), why: z.string() }),
  z.strictObject({ is: z.literal("no-function"), exports: z.array(z.string()) }),
  z.strictObject({ is: z.literal("scores"), scores: z.array(z.number()) }),
  /** `row`: the first that it throws on when it gets that one alone. */
  z.strictObject({ is: z.literal("threw"), why: z.string(), row: z.number().optional() }),
  z.strictObject({ is: z.literal("no-list"), found: z.string() }),
  z.strictObject({ is: z.literal("no-number"), row: z.number(), found: z.string() }),
]);
export type ModuleAnswer = z.output<typeof moduleAnswerSchema>;
