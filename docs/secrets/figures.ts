import { existsSync } from "node:fs";
import { z } from "zod";
import type { MetricsLine } from "../../schemas/report.js";
import { inRepository, readJson } from "../read-json.js";

/** Metrics whose curves the study keeps. */
const keptMetrics = [
  "objective/gold", "objective/scores", "objective/kl", "objective/entropy", "response/length", "response/perplexity", "val/explained_variance",
  "loss/value", "policy/gradient_norm", "policy/clipfrac", "group/variance", "group/explained", "group/high_return", "group/low_return",
] as const;
export type KeptMetric = (typeof keptMetrics)[number];

const numbers = z.record(z.string(), z.number());
const curvesSchema = z.partialRecord(z.enum(keptMetrics), z.array(z.number()));

/** One policy of the study: what it was, what became of it. */
const studyRunSchema = z.strictObject({
  /** Which setting it is, such as `kl-01`; settings and seeds are named in the specs. */
  variant: z.string(), seed: z.number().int(),
  /** Keys of the PPO stage and of the evaluations: what decides their bytes. */
  keys: z.record(z.string(), z.string()),
  /** Headline figures of the evaluation: `eval/gold`, `eval/win_rate`, … */
  figures: numbers,
  /** Gold score by kind of prompt, such as `part=helpful`. */
  groups: z.record(z.string(), z.strictObject({ gold: z.number(), win: z.number(), lose: z.number(), prompts: z.number() })),
  /** A value for each step, from the first. */
  curves: curvesSchema,
  seconds: z.number().optional(),
});

/** docs/secrets-of-ppo.json and docs/group-invariance.json, which `npm run study` writes. */
const studySchema = z.strictObject({
  /** Digest of each spec as it was run. */
  specs: z.record(z.string(), z.string()),
  versions: z.record(z.string(), z.string()),
  processors: z.string(),
  runs: z.array(studyRunSchema),
});

export type StudyRun = z.output<typeof studyRunSchema>;
export type Study = z.output<typeof studySchema>;

/** Where the study's figures are, from the folder of the page. */
export const STUDY_FILE = "secrets-of-ppo.json";

/** A study's figures; none where the file is not there. */
export function readStudy(file = STUDY_FILE): Study {
  const path = `docs/${file}`;
  return existsSync(inRepository(path)) ? readJson(path, studySchema) : { specs: {}, versions: {}, processors: "", runs: [] };
}

/** Curves of the kept metrics out of metrics.jsonl's lines; four digits are enough to draw and to judge them. */
export function curvesOf(lines: readonly MetricsLine[]): StudyRun["curves"] {
  return Object.fromEntries(keptMetrics.flatMap((metric) => {
    const values = lines.flatMap((line) => (line[metric] === undefined ? [] : [Number(line[metric].toPrecision(4))]));
    return values.length === 0 ? [] : [[metric, values] as const];
  }));
}

/** The lines that the curves came from, as pictures take them. */
export function linesOf({ curves }: StudyRun): MetricsLine[] {
  const steps = Math.max(0, ...Object.values(curves).map((values) => values.length));
  return Array.from({ length: steps }, (_, index) => ({
    step: index + 1,
    ...Object.fromEntries(Object.entries(curves).flatMap(([metric, values]) => (values[index] === undefined ? [] : [[metric, values[index]]]))),
  }));
}
