import { z } from "zod";
import { stepCount } from "./counts.js";
import { nameSchema } from "./name.js";

/** Variants that a sweep may have, and stages that it may come to. */
export const sweepLimit = 1000;

const path = z.string().min(1);
const seed = z.number().int().min(0);
const count = z.number().int().positive().max(sweepLimit);

/** Fields with the values that they get; null takes a field away. */
const changesSchema = z.record(path, z.unknown());

/** One way in which the variants of a sweep differ. Which of its members go together, the planner checks. */
const axisSchema = z.strictObject({
  description: z.string().optional(),
  field: path.optional().describe("What it varies, such as \"stages.ppo.tricks.klPenalty.coefficient\": a field of a stage, a model or a data entry."),
  values: z.array(z.unknown()).min(1).optional().describe("The values of `field`; without `field` objects of several fields with their values, which change together. null takes a field away."),
  random: z.strictObject({
    from: z.number(), to: z.number(),
    scale: z.enum(["linear", "log"]).default("linear").describe("What the numbers are spread evenly over."),
    whole: z.boolean().default(false).describe("Whole numbers."),
    count: count.describe("How many."),
  }).optional().describe("Numbers drawn by the pipeline's seed, of three digits each; the same at every reading."),
  seeds: z.union([count, z.array(seed).min(1)]).optional().describe("Seeds for `stages`, or how many: from the pipeline's seed upwards. What differs by seeds alone is one row of the results."),
  stages: z.array(z.string().min(1)).min(1).optional().describe("The stages that get the `seeds`."),
});

/** Which of several results is best. */
const goalMembers = {
  stage: z.string().min(1).describe("Name of a stage that the sweep multiplies."),
  metric: z.string().min(1).describe("A figure that the stage leaves, such as \"eval/gold\"."),
  goal: z.enum(["maximize", "minimize"]).default("maximize"),
};

/** Successive halving. */
const halvingSchema = z.strictObject({
  ...goalMembers,
  stage: z.string().min(1).describe("Name of a stage that trains and that the sweep multiplies."),
  metric: z.string().min(1).describe("A metric of its training, such as \"objective/gold\": the mean of its last five values, over the seeds of a variant."),
  every: stepCount.describe("Steps between two rungs."),
  keep: z.number().gt(0).lt(1).default(0.5).describe("Share of the variants that goes on from a rung, rounded up."),
}).describe("Ends the worst variants early: at each rung all wait, with a checkpoint, until each has come there; the best go on from it, and what comes after the others is not run. Changes no result of those that go on.");

export const sweepSchema = z.strictObject({
  description: z.string().optional(),
  axes: z.record(nameSchema, axisSchema).default({}).describe("What is varied, by name. Every value of each is combined with every value of the others, and with every variant."),
  variants: z.record(nameSchema, changesSchema).default({}).describe("Named sets of changes: fields, such as \"stages.ppo.preset\", with their values; null takes a field away."),
  parallel: count.optional().describe("Most stages of variants that are under way at once; default: as many as the workers take."),
  objective: z.strictObject(goalMembers).optional().describe("What the table of results is sorted by."),
  halving: halvingSchema.optional(),
}).describe("Makes variants of the pipeline. Stages that no change touches, directly or through what they read, are there once for all.");

/** A sweep as a plan holds it. */
export const plannedSweepSchema = z.strictObject({
  /** Every combination of variants and axes, in the spec's order. */
  variants: z.array(z.strictObject({
    /** The same for those that differ by their seeds alone. */
    name: z.string(),
    /** The seeds that it has, in words; empty without axes of seeds. */
    seed: z.string(),
    /** What it is by each axis, and of the named sets as `variant`; seeds left out. */
    settings: z.record(z.string(), z.string()),
    /** The planned stages by the name that the spec gives them, where variants differ in them. */
    stages: z.record(z.string(), z.string()),
  })).min(1),
  parallel: z.number().optional(),
  objective: z.strictObject(goalMembers).optional(),
  halving: halvingSchema.optional(),
});

export type Axis = z.output<typeof axisSchema>;
export type Sweep = z.output<typeof sweepSchema>;
export type PlannedSweep = z.output<typeof plannedSweepSchema>;

/** What the spec calls each stage that a sweep has copied, by the copy's name. */
export function templatesOf(sweep: PlannedSweep | undefined): Map<string, string> {
  return new Map((sweep?.variants ?? []).flatMap(({ stages }) => Object.entries(stages).map(([template, name]) => [name, template] as const)));
}
