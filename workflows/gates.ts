import { ApplicationFailure, CancellationScope, condition } from "@temporalio/workflow";
import { deadlineActor, type Answer } from "../schemas/control.js";
import type { PlannedStage } from "../schemas/plan.js";
import { controls } from "./controls.js";
import type { OrderBook } from "./orders.js";

const minute = 60_000;
const hour = 60 * minute;

/** Something that a person has to decide before a stage goes on. */
export interface Gate {
  readonly gate: string;
  readonly question: string;
  readonly withinSeconds?: number;
  /** Whether nobody need be asked once the stage has its result: a guard can ask about a result, too. */
  readonly unlessDone?: boolean;
}

/**
 * Lets a stage through once somebody has approved; an answer from an earlier attempt at the run holds. `asking` is called when a
 * person is waited for. Errors: TL_APPROVAL_REJECTED.
 */
export async function pass(run: string, stage: PlannedStage, gate: Gate, orders: OrderBook, asking: () => void): Promise<void> {
  const { decision, actor, reason } = await answerTo(run, stage, gate, orders, asking) ?? { decision: "approved" };
  if (decision === "approved") return;
  const by = actor === deadlineActor ? "Nobody answered in time" : `${actor} rejected it${reason === undefined ? "" : `: ${reason}`}`;
  throw ApplicationFailure.create({
    type: "TL_APPROVAL_REJECTED", nonRetryable: true, message: `${gate.gate}: ${by}.`,
    details: [actor === deadlineActor ? `\`trueline resume ${run}\` asks again.` : `\`trueline approve ${run} ${gate.gate}\`, then \`trueline resume ${run}\`, goes on after all.`],
  });
}

/** The names of what somebody has approved of a stage. */
export function approvedOf({ name, key }: PlannedStage, { current: { answers } }: OrderBook): string[] {
  const approved = Object.entries(answers).filter(([, answer]) => answer.stage === name && answer.key === key && answer.decision === "approved");
  return approved.map(([gate]) => gate);
}

/** Undefined when nobody need be asked. */
async function answerTo(
  run: string, stage: PlannedStage, { gate, question: text, withinSeconds, unlessDone = false }: Gate, orders: OrderBook, asking: () => void,
): Promise<Answer | undefined> {
  const given = () => {
    const answer = orders.current.answers[gate];
    return answer?.key === stage.key ? answer : undefined;
  };
  if (given() !== undefined) return given();
  const end = withinSeconds === undefined ? Infinity : Date.now() + withinSeconds * 1000;
  const until = end === Infinity ? undefined : new Date(end).toISOString();
  const question = { run, stage: stage.name, key: stage.key, gate, question: text, unlessDone, ...(until !== undefined && { until }) };
  if (!await controls.ask(question)) return undefined;
  asking();
  // The answer nudges; should that be lost, it is found by looking now and then.
  for (let patience = minute; !await condition(() => given() !== undefined, Math.min(patience, end - Date.now())); patience = Math.min(2 * patience, hour)) {
    if (Date.now() >= end) await CancellationScope.nonCancellable(() => controls.expire(question));
    orders.nudge();
  }
  return given();
}
