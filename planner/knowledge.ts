import type { Plan } from "../schemas/plan.js";
import { standingOf } from "../store/standing.js";
import type { Store } from "../store/store.js";
import type { EarlierStage, StageKnowledge } from "./decide.js";

/** Earlier runs of the same pipeline that are looked at. */
const remembered = 20;

/** What the store knows about each stage of a plan, by stage. */
export async function collectKnowledge(store: Store, plan: Plan): Promise<Map<string, StageKnowledge>> {
  const runs = (await store.runs.list()).filter(({ name }) => name === plan.name).slice(0, remembered);
  // A run whose plan is damaged can explain nothing; `verify` is who tells of it.
  const plans = await Promise.all(runs.map(async ({ id }) => ({ id, plan: await store.runs.plan(id).catch(() => undefined) })));
  const knowledge = await Promise.all(plan.stages.map(async (stage): Promise<[string, StageKnowledge]> => {
    const earlier = await Promise.all(plans.map(async ({ id, plan: old }): Promise<EarlierStage | undefined> => {
      const same = old?.stages.find(({ name }) => name === stage.name);
      return same && { run: id, stage: same, result: await store.results.find(same.key) };
    }));
    return [stage.name, {
      standing: await standingOf(store, stage.key),
      earlier: earlier.filter((each) => each !== undefined),
    }];
  }));
  return new Map(knowledge);
}
