import { digestOf } from "../foundation/canonical.js";
import type { LedgerEntry } from "../schemas/events.js";
import type { Plan, PlannedStage } from "../schemas/plan.js";
import { mostOf, timeSpent, type Spent } from "../store/spent.js";
import { unfinishedAsides } from "../store/orders.js";
import type { Standing } from "../store/standing.js";
import { summarize } from "../store/state.js";
import type { Store } from "../store/store.js";
import { decide, type Decision, type StageKnowledge } from "./decide.js";
import { planChanges } from "./differences.js";
import { collectKnowledge, plansNamedBy, plansOfRun } from "./knowledge.js";
import { afterStage, limitedTo } from "./order.js";

/**
 * What a resume makes of a stage. `kept`: its result is there. `continues`: from a checkpoint. `anew`: what there was of it is not
 * used. `new`: the run had no such stage. `runs`: it had not begun. `waits`: the resume does not go as far. `dropped`: no longer
 * in the spec.
 */
export type Fate = "kept" | "continues" | "anew" | "new" | "runs" | "waits" | "dropped";

export interface StageFate {
  readonly name: string;
  readonly kind: string;
  readonly key: string;
  readonly fate: Fate;
  /** Steps done, where it continues. */
  readonly step?: number;
  readonly reason: string;
  /** Seconds of compute that are used again, and that no longer are. */
  readonly secondsKept: number;
  readonly secondsLost: number;
  /** Seconds that it will take, from earlier results; undefined where there are none. */
  readonly secondsAhead?: number;
}

export interface ResumeRequest {
  /** The plan of the edited spec; default: the run's own. */
  readonly plan?: Plan;
  /** This stage and all after it are computed anew. */
  readonly from?: string;
  /** Only this stage and what it needs. */
  readonly until?: string;
}

/** All that a resume will do. */
export interface Resumption {
  readonly plan: Plan;
  /** What an edited spec changed, in words; undefined where the plan is the run's last recorded one. */
  readonly changes?: readonly string[];
  /** Stages of the plan in its order, then those that are dropped. */
  readonly stages: readonly StageFate[];
  /** Stages whose results and checkpoints are set aside first. */
  readonly setAside: readonly PlannedStage[];
  /** Stages that the attempt is limited to; undefined: all. */
  readonly only?: readonly string[];
  /** What decides each stage, for the token: result, checkpoint or neither. */
  readonly standings: ReadonlyMap<string, Standing>;
  /** Hash of the ledger's newest line when this was found out. */
  readonly head: string;
}

/** Whether anything is to be computed. */
export function computes({ stages }: Pick<Resumption, "stages">): boolean {
  return stages.some(({ fate }) => willCompute(fate));
}

export const willCompute = (fate: Fate): boolean => fate === "continues" || fate === "anew" || fate === "new" || fate === "runs";

/** Finds out what a resume of a run would do. Changes nothing. `request` names stages that the plan has. */
export async function planResumption(store: Store, id: string, request: ResumeRequest): Promise<Resumption> {
  const entries = await store.ledger.read(id);
  const present = await store.runs.plan(id);
  const plan = request.plan ?? present;
  const earlier = await plansOfRun(store, id, entries);
  const knowledge = await collectKnowledge(store, plan, earlier);
  const standings = new Map([...knowledge].map(([name, { standing }]) => [name, standing]));
  const spent = await spentOn(store, id, entries, [...standings.values()]);
  const recorded = plansNamedBy(entries).at(-1);
  const asked = request.from === undefined ? new Set<string>() : afterStage(plan.stages, request.from);
  const unfinished = new Set(unfinishedAsides(entries).map(({ key }) => key));
  const setAside = plan.stages.filter(({ name, key }) => asked.has(name) || unfinished.has(key));
  const only = limitedTo(plan.stages, request.until);
  return {
    plan, setAside, standings, head: entries.at(-1)?.hash ?? "",
    ...(only !== undefined && { only }),
    ...(recorded !== undefined && recorded !== digestOf(plan) && { changes: planChanges(await planBefore(store, id, recorded, present), plan) }),
    stages: fatesOf({ id, plan, present, knowledge, spent, entries, setAside: new Set(setAside.map(({ name }) => name)), only, from: request.from, until: request.until }),
  };
}

/** The plan that the ledger knows: a resume that was killed on its way may have left another in the run's record. */
async function planBefore(store: Store, id: string, digest: string, otherwise: Plan): Promise<Plan> {
  return store.runs.plan(id, digest).catch(() => otherwise);
}

/** What was spent on each key, by this run and by those whose results and checkpoints it uses. */
async function spentOn(store: Store, id: string, entries: readonly LedgerEntry[], standings: readonly Standing[]): Promise<Map<string, Spent>> {
  const others = new Set(standings.flatMap((standing) =>
    standing.action === "reuse" ? [standing.result.run] : standing.action === "resume" ? [standing.checkpoint.run] : []));
  others.delete(id);
  const found = new Map<string, Spent>();
  for (const run of others) for (const [key, spent] of timeSpent(await store.ledger.read(run).catch(() => []))) found.set(key, spent);
  for (const [key, spent] of timeSpent(entries)) found.set(key, more(spent, found.get(key)));
  for (const standing of standings) {
    // A ledger that is gone says nothing; the result itself knows how long its last attempt took.
    if (standing.action === "reuse" && found.get(standing.result.key)?.whole === undefined) {
      found.set(standing.result.key, { whole: standing.result.seconds, upTo: new Map() });
    }
  }
  return found;
}

function more(one: Spent, other: Spent | undefined): Spent {
  return other !== undefined && mostOf(other) > mostOf(one) ? other : one;
}

interface Known extends Pick<ResumeRequest, "from" | "until"> {
  readonly id: string;
  readonly plan: Plan;
  readonly present: Plan;
  readonly knowledge: ReadonlyMap<string, StageKnowledge>;
  readonly spent: ReadonlyMap<string, Spent>;
  readonly entries: readonly LedgerEntry[];
  readonly setAside: ReadonlySet<string>;
  readonly only: readonly string[] | undefined;
}

function fatesOf({ id, plan, present, knowledge, spent, entries, setAside, only, from, until }: Known): StageFate[] {
  const before = new Map(present.stages.map((stage) => [stage.name, stage]));
  const begun = new Set(entries.flatMap(({ event }) => event.type === "stage-started" || event.type === "stage-reused" ? [event.key] : []));
  const stopped = new Set(summarize(plan, entries).stages.flatMap(({ name, state }) => state === "stopped-early" ? [name] : []));
  const willRun = new Set<string>();
  const fates = plan.stages.map((stage): StageFate => {
    const known = knowledge.get(stage.name)!;
    const old = before.get(stage.name);
    const asked = setAside.has(stage.name);
    const standing: Standing = asked ? { action: "run" } : known.standing;
    const decision = decide(stage, { ...known, standing }, willRun, id);
    if (decision.action !== "reuse") willRun.add(stage.name);
    const spentNow = spent.get(stage.key);
    const secondsKept = standing.action === "reuse" ? mostOf(spentNow) : standing.action === "resume" ? spentNow?.upTo.get(standing.checkpoint.step) ?? 0 : 0;
    const spentBefore = old === undefined ? 0 : mostOf(spent.get(old.key));
    const isStopped = stopped.has(stage.name) && !asked && decision.action !== "reuse";
    const fate = isStopped || (only?.includes(stage.name) === false && decision.action !== "reuse") ? "waits" : fateOf(decision, old !== undefined, old !== undefined && begun.has(old.key));
    const reason = asked ? reasonAside(stage.name, from) : isStopped ? "its variant was stopped early"
      : fate === "waits" ? `the resume goes no further than \`${until}\``
        : fate === "runs" && old?.key === stage.key ? "not begun yet" : decision.reason;
    return {
      name: stage.name, kind: stage.kind, key: stage.key, fate, reason, secondsKept, secondsLost: Math.max(0, spentBefore - (old?.key === stage.key ? secondsKept : 0)),
      ...(decision.action === "resume" && { step: decision.step }),
      ...(willCompute(fate) && decision.seconds !== undefined && { secondsAhead: decision.seconds }),
    };
  });
  const names = new Set(plan.stages.map(({ name }) => name));
  const dropped = present.stages.filter(({ name }) => !names.has(name)).map(({ name, kind, key }): StageFate => {
    // A stage that only has another name now is dropped under the old one, and nothing of it is lost.
    const renamed = fates.find((fate) => fate.key === key && fate.secondsKept > 0)?.name;
    return {
      name, kind, key, fate: "dropped", secondsKept: 0, secondsLost: renamed === undefined ? mostOf(spent.get(key)) : 0,
      reason: renamed === undefined ? "no longer in the spec" : `now called ${renamed}`,
    };
  });
  return [...fates, ...dropped];
}

function fateOf({ action }: Decision, wasPlanned: boolean, wasBegun: boolean): Fate {
  switch (action) {
    case "reuse": return "kept";
    case "resume": return "continues";
    case "run": return !wasPlanned ? "new" : wasBegun ? "anew" : "runs";
  }
}

function reasonAside(stage: string, from: string | undefined): string {
  if (from === undefined) return "it was set aside and has not been begun since";
  return stage === from ? `asked for by --from ${from}` : `comes after \`${from}\`, which is computed anew`;
}

