import { digestOf } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import { computes, type Resumption } from "../planner/resume.js";
import type { LedgerEvent } from "../schemas/events.js";
import type { Store } from "../store/store.js";
import { hasEnded, observe, type ObservedRun } from "../temporal/observe.js";
import { actor } from "./actor.js";
import type { Output } from "./output.js";
import { allResults, recordReuse, versions } from "./submission.js";

export interface ResumeAttempt {
  readonly store: Store;
  /** As it was when the resume was planned. */
  readonly run: ObservedRun;
  readonly resumption: Resumption;
  readonly until: string | undefined;
  readonly reason: string | undefined;
  readonly output: Output;
  readonly slots: number | undefined;
}

/** Does what a resume was planned to do, and follows the run to its end. */
export async function carryOut(attempt: ResumeAttempt): Promise<ObservedRun> {
  const { store, run, resumption: { plan, only }, until, output, slots } = attempt;
  const { id } = run;
  const stages = plan.stages.filter(({ name }) => only?.includes(name) ?? true);
  // A run that has not ended may have a workflow that is still open: a new one takes its place.
  const results = !hasEnded(run) || computes(attempt.resumption) ? undefined : await allResults(store, { stages });
  if (results !== undefined) {
    await recordAttempt(attempt);
    await recordReuse(store, id, stages, results, stages.length < plan.stages.length ? until : undefined);
    output.note("Every stage has a result already; nothing was run.");
    return observe(store, await store.runs.read(id), undefined);
  }
  // Temporal's libraries take a while to load: only where something is to be run.
  const { execute } = await import("./execute.js");
  const input = { run: id, plan, ...(only !== undefined && { only: [...only] }), ...(until !== undefined && { until }) };
  return execute({ store, input, output, slots }, () => recordAttempt(attempt));
}

/** Sets aside what is to be computed anew, makes the plan the run's, and tells the ledger. Errors: TL_RESUME_CHANGED, TL_RUN_ALIVE. */
async function recordAttempt({ store, run, resumption: { plan, changes, setAside, only }, reason }: ResumeAttempt): Promise<void> {
  const { id } = run;
  // Attempts that an earlier workflow left open may have written to the ledger since; only another resume is in the way.
  if ((await store.runs.read(id)).attempts !== run.attempts) {
    throw new TruelineError("TL_RESUME_CHANGED", `Run ${id} was resumed by somebody else meanwhile.`, { hint: `Follow it with: trueline watch ${id}` });
  }
  const why = reason === undefined ? {} : { reason };
  const aside: LedgerEvent[] = [];
  for (const { name, key } of setAside) {
    const found = await store.setAside(key, { run: id, stage: name });
    if (found.artifact !== undefined || found.checkpoint !== undefined) aside.push({ type: "stage-set-aside", stage: name, key, ...found, actor: actor(), ...why });
  }
  if (changes !== undefined) await store.runs.replan(id, plan);
  const number = await store.runs.addAttempt(id);
  await store.ledger.append(id, ...aside, {
    type: "run-resumed", attempt: number, actor: actor(), found: run.state, versions, ...why,
    ...(only !== undefined && { only: [...only] }),
    ...(changes !== undefined && { plan: { planDigest: digestOf(plan), specPath: plan.specPath, specDigest: plan.specDigest, changes: [...changes] } }),
  });
}
