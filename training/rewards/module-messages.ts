import { z } from "zod";

/** What the thread of a module is started with. */
export const moduleTaskSchema = z.strictObject({ path: z.string(), options: z.record(z.string(), z.json()) });
export type ModuleTask = z.output<typeof moduleTaskSchema>;

/** What its process is told first of all: `memory`, in bytes, is what the module may take. */
export const moduleStartSchema = z.strictObject({ task: moduleTaskSchema, memory: z.number() });
export type ModuleStart = z.output<typeof moduleStartSchema>;

/** What the thread says: once how it started, then something to each batch. */
const moduleAnswerSchema = z.discriminatedUnion("is", [
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

/** Why nothing more will come of the thread. */
const moduleEndSchema = z.discriminatedUnion("by", [
  z.strictObject({ by: z.literal("memory") }),
  z.strictObject({ by: z.literal("error"), why: z.string() }),
  z.strictObject({ by: z.literal("exit"), code: z.number() }),
]);
export type ModuleEnd = z.output<typeof moduleEndSchema>;

/** All that the process says: answers with the number of their batch, the start being 0, and its end. */
export const moduleWordSchema = z.union([z.strictObject({ batch: z.number(), said: moduleAnswerSchema }), z.strictObject({ ended: moduleEndSchema })]);
export type ModuleWord = z.output<typeof moduleWordSchema>;
