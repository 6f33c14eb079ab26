import { z } from "zod";

// Limits that no use reaches and a slip of the finger does: a spec of 10^15 steps is told so, not planned.

/** A number of steps, or a step by its number. */
export const stepCount = z.number().int().positive().max(100_000_000);
/** Rows, prompts, pairs or answers that are taken together. */
export const rowCount = z.number().int().positive().max(1_000_000);
/** Tokens of a row. */
export const tokenCount = z.number().int().positive().max(10_000_000);
/** Passes over the same rows. */
export const epochCount = z.number().int().positive().max(10_000);
/** Processors, GPUs or processes. */
export const machineCount = z.number().int().positive().max(10_000);
