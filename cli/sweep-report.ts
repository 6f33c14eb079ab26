import { resolve } from "node:path";
import { writeDurably } from "../foundation/files.js";
import { renderSweep, type SweptStage } from "../reports/sweep-page.js";
import { sweepResults, templatesInOrder, type SweepResults } from "../reports/sweep-results.js";
import type { Plan } from "../schemas/plan.js";
import type { PlannedSweep } from "../schemas/sweep.js";
import { summarize } from "../store/state.js";
import type { Store } from "../store/store.js";
import type { Output } from "./output.js";
import { writtenAt } from "./place.js";
import { recordedMetrics, type RecordedMetrics } from "./stage-artifact.js";
import { resultsText } from "./sweep-view.js";

type SweepPlan = Plan & { readonly sweep: PlannedSweep };

/** Prints the results of a run's sweep, or writes them as a page. */
export async function reportSweep(store: Store, id: string, plan: SweepPlan, { json, html }: { readonly json: boolean; readonly html?: string | undefined }, output: Output): Promise<number> {
  const metrics = await recordedMetrics(store, id);
  const results = await resultsOf(store, id, plan, metrics);
  if (html !== undefined) {
    const path = resolve(html);
    await writtenAt(path, () => writeDurably(path, renderSweep(results, sweptStages(plan, results, metrics), plan.name)));
    output.note(`Wrote ${path}`);
  }
  if (json) output.json(results);
  else output.data(resultsText(results));
  return 0;
}

async function resultsOf(store: Store, id: string, plan: SweepPlan, metrics: ReadonlyMap<string, RecordedMetrics>): Promise<SweepResults> {
  const { stages } = summarize(plan, await store.ledger.read(id));
  return sweepResults(plan.sweep, stages.map(({ name, kind, state }) => {
    const { artifact, lines = [] } = metrics.get(name) ?? {};
    // What a training stage ends with stands in its last line; the result's own figures are the ones that count.
    return { name, kind, state, figures: artifact === undefined ? {} : { ...lines.at(-1), ...artifact.figures } };
  }));
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
