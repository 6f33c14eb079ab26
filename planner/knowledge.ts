import type { LedgerEntry } from "../schemas/events.js";
import type { Plan, PlannedStage } from "../schemas/plan.js";
import { templatesOf } from "../schemas/sweep.js";
import { standingOf } from "../store/standing.js";
import type { Store } from "../store/store.js";
import type { EarlierStage, StageKnowledge } from "./decide.js";

/** Earlier runs of the same pipeline that are looked at. */
const remembered = 20;

/** A plan that a run has or had. */
export interface EarlierPlan {
  readonly run: string;
  readonly plan: Plan;
}

/** What the store knows about each stage of a plan, by stage, against earlier plans, the newest first. */
export async function collectKnowledge(store: Store, plan: Plan, earlierPlans: readonly EarlierPlan[]): Promise<Map<string, StageKnowledge>> {
  const templates = templatesOf(plan.sweep);
  const knowledge = await Promise.all(plan.stages.map(async (stage): Promise<[string, StageKnowledge]> => {
    const earlier = await Promise.all(earlierPlans.map(async ({ run, plan: old }): Promise<EarlierStage | undefined> => {
      const same = old.stages.find(({ name }) => name === stage.name) ?? relativeOf(templates.get(stage.name), old);
      return same && { run, stage: same, result: await store.results.find(same.key) };
    }));
    return [stage.name, {
      standing: await standingOf(store, stage.key),
      earlier: earlier.filter((each) => each !== undefined),
    }];
  }));
  return new Map(knowledge);
}

/** A stage that a copy of a sweep can be told by, where there was no such copy: another, or the stage that they are copies of. */
function relativeOf(template: string | undefined, { stages, sweep }: Plan): PlannedStage | undefined {
  if (template === undefined) return undefined;
  const before = templatesOf(sweep);
  return stages.find(({ name }) => (before.get(name) ?? name) === template);
}

/** The plans of earlier runs of a pipeline, the newest first. */
export async function plansOfPipeline(store: Store, name: string): Promise<EarlierPlan[]> {
  const runs = (await store.runs.list()).filter((run) => run.name === name).slice(0, remembered);
  const plans = await Promise.all(runs.map(async ({ id, planDigest }) => {
    const edited = (await store.runs.planDigests(id)).length > 1;
    return plansAt(store, id, edited ? plansNamedBy(await store.ledger.read(id)).toReversed() : [planDigest]);
  }));
  return plans.flat();
}

/** Every plan that a run has had, the newest first. */
export async function plansOfRun(store: Store, id: string, entries: readonly LedgerEntry[]): Promise<EarlierPlan[]> {
  const { planDigest } = await store.runs.read(id);
  return plansAt(store, id, [...new Set([planDigest, ...plansNamedBy(entries).toReversed()])]);
}

/** Digests of the plans that a run has had by its ledger, the first one first. */
export function plansNamedBy(entries: readonly LedgerEntry[]): string[] {
  return entries.flatMap(({ event }) =>
    event.type === "run-submitted" ? [event.planDigest] : event.type === "run-resumed" && event.plan !== undefined ? [event.plan.planDigest] : []);
}

/** A plan that is damaged can explain nothing; `verify` is who tells of it. */
async function plansAt(store: Store, run: string, digests: readonly string[]): Promise<EarlierPlan[]> {
  const plans = await Promise.all(digests.map((digest) => store.runs.plan(run, digest).catch(() => undefined)));
  return plans.flatMap((plan) => plan === undefined ? [] : [{ run, plan }]);
}
