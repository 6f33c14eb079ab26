import { digestOf } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import type { Resumption } from "../planner/resume.js";
import type { LedgerEvent } from "../schemas/events.js";
import { cpuQueue } from "../schemas/task-queue.js";
import type { PipelineInput } from "../schemas/task.js";
import { unfinishedAsides } from "../store/orders.js";
import type { Store } from "../store/store.js";
import { hasEnded, observe, presentPipelines, type ObservedRun } from "../temporal/observe.js";
import { actor } from "./actor.js";
import type { Output } from "./output.js";
import { conclude } from "./run.js";
import { unquestionedResults, recordReuse, versions } from "./submission.js";

/** Why there is a new attempt at a run, and what it is limited to. */
export interface NewAttempt extends Pick<PipelineInput, "until"> {
  /** Stages that it is limited to; default: all. */
  readonly only?: readonly string[];
  readonly reason?: string;
  /** What was asked for, said by the ledger before the attempt. */
  readonly orders?: readonly LedgerEvent[];
  /** The plan from here on, and what is set aside first; default: the run's own plan, and nothing. */
  readonly change?: Pick<Resumption, "plan" | "changes" | "setAside">;
  readonly slots?: number;
  readonly json: boolean;
  /** Leaves the attempt to the workers that are there instead of following it. */
  readonly detach?: boolean;
}

/**
 * Goes on with a run that nothing works on: a new attempt, which reuses results and continues from checkpoints. Follows it to its
 * end and gives the exit code. `run`: as it was when this was decided. Errors: TL_RESUME_CHANGED where somebody else went on with it meanwhile; TL_RUN_ALIVE
 * where another run computes a stage that is to be set aside; TL_TEMPORAL_UNAVAILABLE where it should be left to a server and workers that are not there.
 */
export async function goOn(store: Store, run: ObservedRun, output: Output, attempt: NewAttempt): Promise<number> {
  const { only, until, slots, json, detach = false, change } = attempt;
  const { id } = run;
  const plan = change?.plan ?? run.plan;
  const setAside = change?.setAside ?? unfinishedAsides(await store.ledger.read(id));
  const input: PipelineInput = { run: id, plan, ...(only !== undefined && { only: [...only] }), ...(until !== undefined && { until }) };
  const begin = () => recordAttempt(store, run, setAside, attempt);
  if (detach) return leave(store, input, begin, output, json);

  const stages = plan.stages.filter(({ name }) => only?.includes(name) ?? true);
  const isLimited = stages.length < plan.stages.length;
  // A run that has not ended may have a workflow that is still open: a new one takes its place.
  const canBeDone = hasEnded(run) && setAside.length === 0 && (!isLimited || until !== undefined);
  const results = canBeDone ? await unquestionedResults(store, { stages }) : undefined;
  if (results !== undefined) {
    await begin();
    await recordReuse(store, id, stages, results, isLimited ? until : undefined);
    output.note("Every stage has a result already; nothing was run.");
    return conclude(await observe(store, await store.runs.read(id), undefined), store, output, json);
  }
  // Temporal's libraries take a while to load: only where something is to be run.
  const { execute } = await import("./execute.js");
  return conclude(await execute({ store, input, output, slots }, begin), store, output, json);
}

async function leave(store: Store, input: PipelineInput, begin: () => Promise<void>, output: Output, json: boolean): Promise<number> {
  const { run: id } = input;
  const pipelines = await presentPipelines(store.home);
  try {
    if (pipelines === undefined || (await pipelines.listeners(cpuQueue)).length === 0) {
      throw new TruelineError("TL_TEMPORAL_UNAVAILABLE", "There is no server with a worker that could go on with the run by itself.", {
        hint: "Leave --detach out to have this command do the work, or start `trueline server` and `trueline worker`.",
      });
    }
    await begin();
    await pipelines.start(input);
  } finally {
    await pipelines?.close();
  }
  if (json) output.json({ id, state: "waiting" });
  else output.data(`Run ${id} goes on. Follow it with: trueline watch ${id}`);
  return 0;
}

/**
 * Begins a new attempt: sets aside what is to be computed anew, makes the plan the run's, and tells the ledger, in this order. Errors:
 * TL_RESUME_CHANGED, TL_RUN_ALIVE as `goOn`; nothing is written then.
 */
export async function recordAttempt(
  store: Store, { id, state, attempts }: ObservedRun, setAside: Parameters<Store["setAside"]>[1], { reason, only, orders = [], change }: NewAttempt,
): Promise<void> {
  const why = reason === undefined ? {} : { reason };
  await store.runs.exclusively(id, async () => {
    // Attempts that an earlier workflow left open may have written to the ledger since; only another resume is in the way.
    if ((await store.runs.read(id)).attempts !== attempts) {
      throw new TruelineError("TL_RESUME_CHANGED", `Somebody else went on with run ${id} meanwhile.`, { hint: `Follow it with: trueline watch ${id}` });
    }
    await store.setAside(id, setAside, (found) => store.ledger.append(
      id, ...found.map((aside) => ({ type: "stage-set-aside", ...aside, actor: actor(), ...why }) as const),
    ));
    if (change?.changes !== undefined) await store.runs.replan(id, change.plan);
    const attempt = await store.runs.addAttempt(id);
    await store.ledger.append(id, ...orders, {
      type: "run-resumed", attempt, actor: actor(), found: state, versions, ...why, ...(only !== undefined && { only: [...only] }),
      ...(change?.changes !== undefined && {
        plan: { planDigest: digestOf(change.plan), specPath: change.plan.specPath, specDigest: change.plan.specDigest, changes: [...change.changes] },
      }),
    });
  });
}
