import { TruelineError } from "../foundation/errors.js";
import type { LedgerEvent } from "../schemas/events.js";
import type { PipelineInput } from "../schemas/task.js";
import type { Store } from "../store/store.js";
import { presentPipelines, type ObservedRun } from "../temporal/observe.js";
import { actor } from "./actor.js";
import { execute } from "./execute.js";
import type { Output } from "./output.js";
import { conclude } from "./run.js";
import { versions } from "./submission.js";

/** Why there is a new attempt at a run, and what it is limited to. */
export interface NewAttempt extends Pick<PipelineInput, "only" | "until"> {
  readonly reason?: string;
  /** What was asked for, said by the ledger before the attempt. */
  readonly orders?: readonly LedgerEvent[];
  readonly slots?: number;
  readonly json: boolean;
  /** Leaves the attempt to the workers that are there instead of following it. */
  readonly detach?: boolean;
}

/**
 * Goes on with a run that nothing works on: a new attempt, which reuses results and continues from checkpoints. Follows it to its
 * end and gives the exit code. Errors: TL_TEMPORAL_UNAVAILABLE where it should be left to a server and workers that are not there.
 */
export async function goOn(store: Store, run: ObservedRun, output: Output, attempt: NewAttempt): Promise<number> {
  const { only, until, slots, json, detach = false } = attempt;
  const input: PipelineInput = { run: run.id, plan: run.plan, ...(only !== undefined && { only: [...only] }), ...(until !== undefined && { until }) };
  const begin = () => recordAttempt(store, run, attempt);
  if (!detach) return conclude(await execute({ store, input, output, slots }, begin), store, output, json);
  const pipelines = await presentPipelines(store.home);
  try {
    const queue = run.plan.stages[0]!.taskQueue;
    if (pipelines === undefined || (await pipelines.listeners(queue)).length === 0) {
      throw new TruelineError("TL_TEMPORAL_UNAVAILABLE", "There is no server with a worker that could go on with the run by itself.", {
        hint: "Leave --detach out to have this command do the work, or start `trueline server` and `trueline worker`.",
      });
    }
    await begin();
    await pipelines.start(input);
  } finally {
    await pipelines?.close();
  }
  if (json) output.json({ id: run.id, state: "waiting" });
  else output.data(`Run ${run.id} goes on. Follow it with: trueline watch ${run.id}`);
  return 0;
}

async function recordAttempt(store: Store, { id, state }: ObservedRun, { reason, only, orders = [] }: NewAttempt): Promise<void> {
  const attempt = await store.runs.addAttempt(id);
  await store.ledger.append(id, ...orders, {
    type: "run-resumed", attempt, actor: actor(), found: state, versions, ...(reason !== undefined && { reason }), ...(only !== undefined && { only: [...only] }),
  });
}
