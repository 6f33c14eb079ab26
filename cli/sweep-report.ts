import { resolve } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import { writeDurably } from "../foundation/files.js";
import type { SweptStage } from "../reports/bands.js";
import { renderSweep } from "../reports/sweep-page.js";
import { renderSweepPicture } from "../reports/sweep-picture.js";
import { sweepResults, templatesInOrder, type SweepResults } from "../reports/sweep-results.js";
import type { Plan } from "../schemas/plan.js";
import type { MetricsLine } from "../schemas/report.js";
import type { PlannedSweep } from "../schemas/sweep.js";
import { summarize } from "../store/state.js";
import type { Store } from "../store/store.js";
import type { Output } from "./output.js";
import { writtenAt } from "./place.js";
import { recordedMetrics, type RecordedMetrics } from "./stage-artifact.js";
import { resultsText } from "./sweep-view.js";

type SweepPlan = Plan & { readonly sweep: PlannedSweep };

interface SweepReportOptions {
  readonly json: boolean;
  readonly html?: string | undefined;
  readonly svg?: string | undefined;
}

/** Prints the results of a run's sweep, and writes them as a page or its curves as a picture. */
export async function reportSweep(store: Store, id: string, plan: SweepPlan, { json, html, svg }: SweepReportOptions, output: Output): Promise<number> {
  const metrics = await recordedMetrics(store, id);
  const results = await resultsOf(store, id, plan, metrics);
  const stages = sweptStages(plan, results, metrics);
  if (html !== undefined) await write(html, renderSweep(results, stages, plan.name), output);
  if (svg !== undefined) {
    if (!stages.some(({ variants }) => variants.some(({ seeds }) => seeds.length > 0))) {
      throw new TruelineError("TL_RUN_STAGE_UNFINISHED", `No variant of run ${id} has recorded metrics that could be drawn.`, { hint: `\`trueline status ${id}\` says how far it is.` });
    }
    await write(svg, renderSweepPicture(stages), output);
  }
  if (json) output.json(results);
  else output.data(resultsText(results));
  return 0;
}

async function write(file: string, text: string, output: Output): Promise<void> {
  const path = resolve(file);
  await writtenAt(path, () => writeDurably(path, text));
  output.note(`Wrote ${path}`);
}

async function resultsOf(store: Store, id: string, plan: SweepPlan, metrics: ReadonlyMap<string, RecordedMetrics>): Promise<SweepResults> {
  const { stages } = summarize(plan, await store.ledger.read(id));
  return sweepResults(plan.sweep, stages.map(({ name, kind, state }) => {
    const { artifact, lines = [] } = metrics.get(name) ?? {};
    return { name, kind, state, figures: artifact === undefined ? {} : figuresAtEnd(lines, artifact.figures) };
  }));
}

/** What a training stage ends with stands in its last line; the result's own figures are the ones that count. */
export function figuresAtEnd(lines: readonly MetricsLine[], figures: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return { ...lines.at(-1), ...figures };
}

/** The training curves of every stage that variants differ in, best variant first. */
function sweptStages({ stages, sweep }: SweepPlan, { variants }: SweepResults, metrics: ReadonlyMap<string, RecordedMetrics>): SweptStage[] {
  const kindOf = (template: string) => stages.find(({ name }) => name === sweep.variants[0]!.stages[template])?.kind ?? "";
  // What an evaluation has found on its way is no curve of training.
  return templatesInOrder(sweep.variants, stages).filter((stage) => kindOf(stage) !== "evaluate").map((stage) => ({
    stage, kind: kindOf(stage),
    variants: variants.map(({ name }) => {
      const names = new Set(sweep.variants.filter((variant) => variant.name === name).map((variant) => variant.stages[stage]!));
      return { name, seeds: [...names].flatMap((each) => metrics.get(each)?.lines.length ? [metrics.get(each)!.lines] : []) };
    }),
  }));
}
