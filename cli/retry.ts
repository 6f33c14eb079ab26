import { TruelineError } from "../foundation/errors.js";
import { suggestion } from "../foundation/suggest.js";
import { afterStage, upToStage } from "../planner/order.js";
import { deadlineActor } from "../schemas/control.js";
import type { LedgerEntry } from "../schemas/events.js";
import type { Plan } from "../schemas/plan.js";
import { isOver, ordersOf } from "../store/orders.js";
import { summarize } from "../store/state.js";
import { isWorkedOn, observe } from "../temporal/observe.js";
import { goOn } from "./attempt.js";
import { defineCommand, jsonOption } from "./command.js";
import { by, order, reasonOption, withRun } from "./order.js";
import { endingHelp, slotsOption } from "./run.js";
import { detachOption } from "./unpause.js";

/** `trueline retry RUN STAGE`: has a failed stage tried again, and what comes after it. */
export const retryCommand = defineCommand({
  name: "retry",
  arguments: "<run> <stage>",
  summary: "try a failed stage again, and go on with what comes after it; also one that a sweep has stopped early",
  details: "Continues from the stage's newest checkpoint. While other branches of the run still go on, they are left alone; in a run\n"
    + "that has ended, a new attempt does this stage, what it lacks, and what comes after it.\n" + endingHelp,
  examples: ["trueline retry hh-ppo-max-20260101-k3v9qz ppo", "trueline retry hh-ppo-max-20260101-k3v9qz ppo --reason \"disk freed\""],
  options: { json: jsonOption, reason: reasonOption, slots: slotsOption, detach: detachOption },
  async run({ arguments: [id = "", stage = ""], options: { reason, ...options }, output }) {
    const retry = { type: "retry-requested", stage, ...by(reason) } as const;
    const ended = await withRun(id, async (target) => {
      const isAlive = isWorkedOn(target.run);
      const given = await order(target, (entries) => {
        refuseUnfailed(id, target.run.plan, entries, stage);
        return isAlive && !isOver(entries) ? [retry] : [];
      });
      return given.length > 0 ? undefined : { store: target.store, run: await observe(target.store, await target.store.runs.read(id), target.pipelines) };
    });
    if (ended === undefined) {
      if (options.json) output.json({ id, stage, asked: true });
      else output.data(`Stage ${stage} of run ${id} is tried again.`);
      return 0;
    }
    const done = ended.run.stages.filter(({ state }) => state === "finished" || state === "reused").map(({ name }) => name);
    return goOn(ended.store, ended.run, output, { ...options, reason, orders: [retry], only: concerned(ended.run.plan, stage, done) });
  },
});

/** The stage, what it lacks, what comes after it, and what is done already and only has to be found, in the plan's order. Pure. */
export function concerned({ stages }: Plan, stage: string, done: readonly string[]): string[] {
  const chosen = new Set([...upToStage(stages, stage), ...afterStage(stages, stage), ...done]);
  return stages.map(({ name }) => name).filter((name) => chosen.has(name));
}

function refuseUnfailed(id: string, plan: Plan, entries: readonly LedgerEntry[], name: string): void {
  const { stages } = summarize(plan, entries);
  const stage = stages.find((each) => each.name === name);
  if (stage === undefined) {
    throw new TruelineError("TL_RUN_STAGE_UNKNOWN", `Run ${id} has no stage ${name}.`, { hint: suggestion(name, stages.map((each) => each.name)) });
  }
  // One that was stopped early goes on alone, once the others are through.
  if (stage.state !== "failed" && !(stage.state === "stopped-early" && isOver(entries))) {
    throw new TruelineError("TL_STAGE_NOT_FAILED", `Stage ${name} of run ${id} is ${stage.state}, not failed.`, { hint: `\`trueline status ${id}\` says how to go on with the run.` });
  }
  const rejected = Object.entries(ordersOf(entries).answers)
    .find(([, { stage: of, decision, key }]) => of === name && decision === "rejected" && key === stage.key);
  if (rejected !== undefined && rejected[1].actor !== deadlineActor) {
    throw new TruelineError("TL_APPROVAL_REJECTED", `${rejected[1].actor} rejected ${rejected[0]}.`, { hint: `To try it all the same: trueline approve ${id} ${rejected[0]}, then this again.` });
  }
}
