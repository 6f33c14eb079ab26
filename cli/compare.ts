import { resolve } from "node:path";
import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { writeDurably } from "../foundation/files.js";
import { suggestion } from "../foundation/suggest.js";
import { compareRuns, type Comparison, type Side, type SideResult } from "../planner/compare.js";
import { compareVariants } from "../planner/compare-variants.js";
import { plansNamedBy } from "../planner/knowledge.js";
import { renderComparison, type ComparedRun } from "../reports/comparison.js";
import type { Plan } from "../schemas/plan.js";
import type { Store } from "../store/store.js";
import { sweepComparisonText } from "./compare-sweep-view.js";
import { comparisonText } from "./compare-view.js";
import { defineCommand, jsonOption } from "./command.js";
import { writtenAt } from "./place.js";
import { recordedMetrics } from "./stage-artifact.js";
import { openStore } from "./store.js";

/** `trueline compare RUN RUN`: what differs between two runs, or between the first and the present plan of one. */
export const compareCommand = defineCommand({
  name: "compare",
  arguments: "<run> <other>",
  summary: "say what differs between two runs: spec, data, environment, results, curves",
  details: "Only differences are shown; stages that both share by their key are named in one line. A stage that has not\n"
    + "finished is compared as far as its newest checkpoint. The same run twice compares its first plan with its present one, where it\n"
    + "was resumed with an edited spec. Of sweeps each variant that differs has a row with what it is worth by the objective; --all\n"
    + "and --stage show their stages one by one.",
  examples: [
    "trueline compare hh-ppo-max-20260101-k3v9qz hh-ppo-max-20260102-abcdef",
    "trueline compare first-20260101-k3v9qz second-20260102-abcdef --stage ppo=ppo-long --svg curves.svg",
  ],
  options: {
    json: jsonOption,
    all: { flags: "--all", summary: "show what is the same, too", schema: z.boolean().default(false) },
    stage: {
      flags: "--stage <stage...>", summary: "show these stages alone; A=B are stages of other names that belong together",
      schema: z.array(z.string().regex(/^[^=]+(=[^=]+)?$/, "a stage, or a pair such as ppo=ppo-long")).default([]),
    },
    svg: { flags: "--svg <file>", summary: "write the curves of the PPO stages of both as an SVG picture", schema: z.string().min(1).optional() },
  },
  async run({ arguments: [first = "", second = ""], options, output }) {
    const store = openStore();
    const [before, now] = first === second ? await sidesOfOne(store, first) : [await sideOf(store, first), await sideOf(store, second)];
    const named = options.stage.filter((stage) => stage.includes("=")).map((pair) => namedPair(pair, before, now));
    const alone = options.stage.filter((stage) => !stage.includes("=")).map((stage) => knownStage(stage, before, now));
    const whole = compareRuns(before, now, { named, all: options.all });
    const comparison = alone.length === 0 ? whole : onlyStages(whole, new Set(alone));
    const isSwept = before.plan.sweep !== undefined || now.plan.sweep !== undefined;
    const variants = isSwept ? compareVariants(before, now) : undefined;
    if (options.svg !== undefined) {
      const path = resolve(options.svg);
      const drawn = [...curvesOf(before), ...curvesOf(now)];
      if (drawn.length === 0) throw new TruelineError("TL_RUN_STAGE_UNFINISHED", "Neither run has recorded metrics of a PPO stage that could be drawn.");
      await writtenAt(path, () => writeDurably(path, renderComparison(drawn)));
      output.note(`Wrote ${path}`);
    }
    if (options.json) output.json({ before: before.label, now: now.label, ...comparison, ...(variants && { variants }) });
    else if (variants !== undefined && !options.all && options.stage.length === 0) output.data(sweepComparisonText(comparison, variants, before, now, output));
    else output.data(comparisonText(comparison, { before: before.label, now: now.label }, options.all, output));
    return 0;
  },
});

async function sideOf(store: Store, id: string): Promise<Side> {
  return { label: id, plan: await store.runs.plan(id), entries: await store.ledger.read(id), results: await resultsOf(store, id) };
}

/** A run under the plan that it began with, and under the one that holds now. */
async function sidesOfOne(store: Store, id: string): Promise<[Side, Side]> {
  const now = await sideOf(store, id);
  const plan = await store.runs.plan(id, plansNamedBy(now.entries)[0]);
  return [{ ...now, label: "first plan", plan, results: await resultsOf(store, id, plan) }, { ...now, label: "present plan" }];
}

async function resultsOf(store: Store, id: string, plan?: Plan): Promise<Map<string, SideResult>> {
  return new Map([...await recordedMetrics(store, id, plan)].map(([name, { artifact, step, lines }]) =>
    [name, { artifact: artifact?.digest, ...(step !== undefined && { step }), figures: artifact?.figures ?? {}, metrics: lines }]));
}

/** @throws TL_RUN_STAGE_UNKNOWN */
function namedPair(pair: string, before: Side, now: Side): readonly [string, string] {
  const [one = "", other = ""] = pair.split("=");
  for (const [stage, side] of [[one, before], [other, now]] as const) {
    const names = side.plan.stages.map(({ name }) => name);
    if (!names.includes(stage)) throw new TruelineError("TL_RUN_STAGE_UNKNOWN", `--stage ${pair}: ${side.label} has no stage ${stage}.`, { hint: suggestion(stage, names) });
  }
  return [one, other];
}

/** @throws TL_RUN_STAGE_UNKNOWN */
function knownStage(stage: string, ...sides: readonly Side[]): string {
  const names = sides.flatMap(({ plan }) => plan.stages.map(({ name }) => name));
  if (names.includes(stage)) return stage;
  throw new TruelineError("TL_RUN_STAGE_UNKNOWN", `--stage ${stage}: neither ${sides.map(({ label }) => label).join(" nor ")} has a stage ${stage}.`, { hint: suggestion(stage, names) });
}

/** What a comparison says of some stages. */
function onlyStages({ spec, stages, ...rest }: Comparison, names: ReadonlySet<string>): Comparison {
  return { ...rest, spec: spec.filter(({ stage }) => stage !== undefined && names.has(stage)), stages: stages.filter(({ name }) => names.has(name)) };
}

/** The PPO stages of a side, as far as they have come; a run with several has a colour for each. */
function curvesOf({ label, plan, results }: Side): ComparedRun[] {
  const stages = plan.stages.filter(({ kind, name }) => kind === "ppo" && (results.get(name)?.metrics.length ?? 0) > 0);
  return stages.map(({ name, seed }) => ({ name: stages.length === 1 ? label : `${label}/${name}`, seed, metrics: results.get(name)!.metrics }));
}
