import { randomInt } from "node:crypto";
import { breachesOfReuse } from "../activities/reuse.js";
import { version } from "../foundation/version.js";
import type { StageResult } from "../schemas/artifact.js";
import type { Plan, PlannedStage } from "../schemas/plan.js";
import type { Store } from "../store/store.js";
import { actor } from "./actor.js";

/** Letters and digits that can't be taken for one another. */
const letters = "abcdefghjkmnpqrstuvwxyz23456789";

/** `<name>-<yyyymmdd>-<6 letters>`. */
export function newRunId(name: string, now = new Date()): string {
  const day = now.toISOString().slice(0, 10).replaceAll("-", "");
  return `${name}-${day}-${Array.from({ length: 6 }, () => letters[randomInt(letters.length)]).join("")}`;
}

/** Of the program that gives a command, for the ledger. */
export const versions = { trueline: version, node: process.versions.node } as const;

/** Records a new run: its frozen plan, and the first line of its ledger. `only`: the stages that it is limited to at first. */
export async function recordSubmission(store: Store, id: string, plan: Plan, only?: readonly string[]): Promise<void> {
  await store.runs.create(id, plan, actor(), (record) => store.ledger.append(id, {
    type: "run-submitted", name: plan.name, specPath: plan.specPath, specDigest: plan.specDigest, planDigest: record.planDigest, actor: record.actor,
    versions, ...(only !== undefined && { only: [...only] }),
  }));
}

/** The results of all stages, or undefined if one is missing. */
export async function allResults(store: Store, { stages }: { readonly stages: readonly PlannedStage[] }): Promise<StageResult[] | undefined> {
  const results = await Promise.all(stages.map((stage) => store.results.use(stage.key)));
  const found = results.filter((result) => result !== undefined);
  return found.length === results.length ? found : undefined;
}

/** The same where nothing has to look at them any more: undefined also where a guard of a stage is breached by its result, which stages tell and act on. */
export async function unquestionedResults(store: Store, { stages }: { readonly stages: readonly PlannedStage[] }): Promise<StageResult[] | undefined> {
  const results = await allResults(store, { stages });
  for (const [index, stage] of stages.entries()) {
    if (results !== undefined && (await breachesOfReuse(store, stage, results[index]!.artifact)).length > 0) return undefined;
  }
  return results;
}

/** Records that a run found every result already there. `until`: the stage that it was to go no further than. */
export async function recordReuse(store: Store, id: string, stages: readonly PlannedStage[], results: readonly StageResult[], until?: string): Promise<void> {
  await store.ledger.append(id,
    ...stages.map(({ name, key }, index) => {
      const { artifact, run, figures } = results[index]!;
      return { type: "stage-reused", stage: name, key, artifact, from: run, figures } as const;
    }),
    until === undefined ? { type: "run-finished" } : { type: "run-paused", until });
}
