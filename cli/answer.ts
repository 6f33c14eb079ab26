import { TruelineError } from "../foundation/errors.js";
import type { LedgerEntry, LedgerEvent } from "../schemas/events.js";
import type { Plan } from "../schemas/plan.js";
import { gatesOf, type AskedGate } from "../store/orders.js";
import { summarize } from "../store/state.js";
import { isWorkedOn, observe, type ObservedRun } from "../temporal/observe.js";
import { defineCommand, jsonOption } from "./command.js";
import { by, order, reasonOption, withRun } from "./order.js";

type Decision = Extract<LedgerEvent, { type: "approval-answered" }>["decision"];

/** `trueline approve RUN` and `trueline reject RUN`: answers what a run asks people. */
function answerCommand(name: "approve" | "reject", decision: Decision, summary: string, details: string) {
  return defineCommand({
    name,
    arguments: "<run> [question]",
    summary, details,
    examples: [`trueline ${name} hh-ppo-max-20260101-k3v9qz`, `trueline ${name} hh-ppo-max-20260101-k3v9qz ppo --reason "looked at the evaluation"`],
    options: { json: jsonOption, reason: reasonOption },
    async run({ arguments: [id = "", named], options, output }) {
      return withRun(id, async (target) => {
        const [answer] = await order(target, (entries) => {
          const { gate, stage } = chooseGate(id, target.run.plan, entries, decision, named);
          return [{ type: "approval-answered", gate, stage, decision, ...by(options.reason) }];
        });
        if (answer?.type !== "approval-answered") return 1;
        const { gate, stage } = answer;
        const next = nextFor(await observe(target.store, await target.store.runs.read(id), target.pipelines), stage, decision);
        if (options.json) output.json({ id, gate, stage, decision, ...(next !== undefined && { next }) });
        else output.data(`${gate} of run ${id} is ${decision}.${next === undefined ? "" : ` Go on with: ${next}`}`);
        return 0;
      });
    },
  });
}

export const approveCommand = answerCommand("approve", "approved", "answer what a run asks with yes",
  "The answer, who gave it and why go into the run's ledger, and hold for all its attempts. Name the stage or the question where a\n"
  + "run asks several. What was rejected can still be approved; `resume` or `retry` then goes on.");

export const rejectCommand = answerCommand("reject", "rejected", "answer what a run asks with no",
  "The stage that asked fails, and with it what comes after; independent stages go on.");

/** The question that an answer is for. Pure. Errors: TL_APPROVAL_NONE, TL_APPROVAL_SEVERAL. */
export function chooseGate(id: string, plan: Plan, entries: readonly LedgerEntry[], decision: Decision, named?: string): AskedGate {
  const done = new Set(summarize(plan, entries).stages.filter(({ state }) => state === "finished" || state === "reused").map(({ name }) => name));
  const changeable = gatesOf(entries).filter((gate) => !done.has(gate.stage) && gate.answer?.decision !== decision);
  const meant = changeable.filter(({ gate, stage }) => named === undefined || named === gate || named === stage);
  const open = meant.filter(({ answer }) => answer === undefined);
  const [chosen, ...others] = open.length > 0 ? open : meant;
  if (chosen === undefined) {
    const asked = changeable.map(({ gate }) => gate);
    throw new TruelineError("TL_APPROVAL_NONE", named === undefined ? `Run ${id} asks nothing that could be ${decision}.` : `Run ${id} asks nothing about ${named} that could be ${decision}.`, {
      hint: asked.length > 0 ? `It asks: ${asked.join(", ")}.` : `\`trueline status ${id}\` says what it does.`,
    });
  }
  if (others.length > 0) {
    throw new TruelineError("TL_APPROVAL_SEVERAL", `Run ${id} asks several questions: ${[chosen, ...others].map(({ gate }) => gate).join(", ")}.`, {
      hint: `Name one of them: trueline ${decision === "approved" ? "approve" : "reject"} ${id} ${chosen.gate}`,
    });
  }
  return chosen;
}

/** The command that has the answer take effect, where nothing does so by itself. */
function nextFor(run: ObservedRun, stage: string, decision: Decision): string | undefined {
  const isFailed = run.stages.some(({ name, state }) => name === stage && state === "failed");
  if (isWorkedOn(run)) return isFailed && decision === "approved" ? `trueline retry ${run.id} ${stage}` : undefined;
  return run.state === "paused" ? `trueline unpause ${run.id}` : `trueline resume ${run.id}`;
}
