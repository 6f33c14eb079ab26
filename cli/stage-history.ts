import { differences } from "../planner/differences.js";
import type { PlannedStage } from "../schemas/plan.js";
import type { Chronicle } from "../store/chronicle.js";
import { summarize, type StageSummary } from "../store/state.js";

/** A stage in one run, against the run before that had it. */
export interface StagePast {
  readonly run: string;
  readonly at: string;
  readonly state: StageSummary["state"];
  readonly seconds?: number;
  readonly key: string;
  /** What makes its key another than in the run before; empty where it is the same, undefined for the oldest. */
  readonly changes?: readonly string[];
  readonly figures: Readonly<Record<string, number>>;
  readonly artifact?: string;
  readonly removed?: StageSummary["removed"];
}

/** What became of a stage, run by run, newest first. Pure. */
export function stageHistory(stage: string, chronicles: readonly Chronicle[]): StagePast[] {
  const planned = chronicles.flatMap(({ run, plan, entries }) => {
    const found = plan?.stages.find(({ name }) => name === stage);
    return plan === undefined || found === undefined ? [] : [{ run, found, plan, entries }];
  });
  return planned.map(({ run, found, plan, entries }, index) => {
    const { state, seconds, figures = {}, artifact, removed } = summarize(plan, entries).stages.find(({ name }) => name === stage)!;
    const before: PlannedStage | undefined = planned[index + 1]?.found;
    return {
      run, at: entries[0]?.at ?? "", state, seconds, key: found.key, figures, artifact, removed,
      ...(before !== undefined && { changes: before.kind === found.kind ? differences(before, found, new Set()) : [`its kind is now ${found.kind} instead of ${before.kind}`] }),
    };
  });
}
