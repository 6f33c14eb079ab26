import { TruelineError } from "../foundation/errors.js";
import type { LedgerEvent } from "../schemas/events.js";
import type { PlannedStage } from "../schemas/plan.js";
import type { StageQuestion, StageTask } from "../schemas/task.js";
import type { Store } from "../store/store.js";
import { gravest, type Breach, type Past } from "../training/guards.js";
import { nudge } from "./nudge.js";
import { breachesOfReuse } from "./reuse.js";

/** Names a breach inside a run, for the person who decides about it. */
function gateOf(stage: string, { guard, step }: Pick<Breach, "guard" | "step">): string {
  return `guard:${stage}:${guard}:${step}`;
}

/** Which breaches somebody has said yes to. */
export function waivedIn({ stage, waived = [] }: StageTask): Past["isWaived"] {
  return (guard, step) => waived.includes(gateOf(stage.name, { guard, step }));
}

/** Tells the run's ledger of a breach, once: an attempt that resumes finds those of its checkpoint again. */
export async function tellBreach(store: Store, { run, stage }: StageTask, { guard, step, metric, value, bound, then }: Breach): Promise<void> {
  const event: LedgerEvent = {
    type: "guard-breached", stage: stage.name, key: stage.key, guard, step, metric, ...(value !== undefined && { value }), bound, then,
  };
  const known = (await store.ledger.read(run)).some(({ event: old }) => old.type === "guard-breached" && old.key === event.key
    && old.guard === guard && old.step === step && old.value === value && old.then === then);
  if (known) return;
  await store.ledger.append(run, event);
  await nudge(run);
}

/** What becomes of a stage whose guard stops it or asks. Throws TL_GUARD_BREACHED for one that stops. */
export function consequence(stage: PlannedStage, breach: Breach): StageQuestion {
  const { guard, step, metric, value, bound, then } = breach;
  const found = `${metric} is ${value === undefined ? "not a number" : Number(value.toPrecision(4))} after step ${step}, ${bound}`;
  if (then === "ask") {
    return { gate: gateOf(stage.name, breach), question: `Guard ${guard} of stage ${stage.name}: ${found}. Shall it go on?` };
  }
  throw new TruelineError("TL_GUARD_BREACHED", `Stage ${stage.name} was stopped by its guard ${guard}: ${found}.`, {
    hint: `The state is saved. Resumed as it is it stops again at once: change or remove the guard in the spec and resume with that, or look at the policy as it was.`,
  });
}

/** Looks at a result that is to be reused with the guards of the spec that reuses it, and tells what they find. Gives the question of one that asks. */
export async function judgeReused(store: Store, task: StageTask, artifact: string): Promise<StageQuestion | undefined> {
  const breaches = await breachesOfReuse(store, task.stage, artifact, waivedIn(task));
  for (const breach of breaches) await tellBreach(store, task, breach);
  const breach = gravest(breaches);
  return breach && consequence(task.stage, breach);
}
