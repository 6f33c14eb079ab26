import { z } from "zod";
import type { LedgerEntry } from "../schemas/events.js";
import type { Plan, PlannedStage } from "../schemas/plan.js";
import type { MetricsLine } from "../schemas/report.js";
import { fieldChanges, type Value } from "./differences.js";

/** One of two runs that are compared, or a run under one of its plans. */
export interface Side {
  readonly label: string;
  readonly plan: Plan;
  readonly entries: readonly LedgerEntry[];
  /** What stages have left, by stage. */
  readonly results: ReadonlyMap<string, SideResult>;
}

export interface SideResult {
  /** Undefined where the stage has not finished. */
  readonly artifact: string | undefined;
  /** Steps of the newest checkpoint, where it has not. */
  readonly step?: number;
  readonly figures: Readonly<Record<string, number>>;
  readonly metrics: readonly MetricsLine[];
}

/** Two values under one name; undefined where a side has none. */
export interface Pair<T> {
  readonly name: string;
  readonly before: T | undefined;
  readonly now: T | undefined;
}

export interface ComparedStage {
  /** Its name, or both names where they differ: "ppo = ppo-long". */
  readonly name: string;
  readonly kind: string;
  /** `same-key`: the same settings and inputs. `same-bytes`: the same artifact all the same. `one`: only one side has the stage. */
  readonly standing: "same-key" | "same-bytes" | "differs" | "one";
  /** The side that has the stage, where only one has. */
  readonly only?: "before" | "now";
  readonly artifacts: Pair<string>;
  /** Steps that a side has done which has not finished: its curves end there, and it has no figures. */
  readonly steps: Pair<number>;
  readonly figures: readonly (Pair<number> & { readonly difference: number | undefined })[];
  readonly curves: readonly AlignedCurve[];
}

/** A metric of both sides at the steps that both have. */
export interface AlignedCurve {
  readonly metric: string;
  readonly points: readonly (readonly [step: number, before: number, now: number])[];
}

/** A field of the spec; of a stage's field its stage, as ComparedStage names it. */
export type SpecField = Pair<Value> & { readonly stage?: string };

export interface Comparison {
  readonly spec: readonly SpecField[];
  readonly data: readonly Pair<Value>[];
  readonly environment: readonly Pair<Value>[];
  readonly stages: readonly ComparedStage[];
}

/**
 * What differs between two runs. Pure. `named`: stages of other names that belong together, [of the first, of the second].
 * With `all`, what is the same is listed too.
 */
export function compareRuns(before: Side, now: Side, { named = [], all = false }: { readonly named?: readonly (readonly [string, string])[]; readonly all?: boolean } = {}): Comparison {
  const pairs = stagePairs(before.plan, now.plan, named);
  const fields = (list: readonly SpecField[]) => list.flatMap(({ name, stage, ...sides }) => fieldChanges(sides.before, sides.now, { path: [name], all })
    .map(({ path, ...values }): SpecField => ({ name: path.join("."), ...(stage !== undefined && { stage }), ...values })));
  return {
    spec: fields(specSections(before.plan, now.plan, pairs)),
    data: fields(paired(dataOf(before.plan), dataOf(now.plan))),
    environment: fields(paired(environmentOf(before.entries), environmentOf(now.entries))),
    stages: pairs.map((pair) => comparedStage(pair, before.results, now.results)),
  };
}

type StagePair = Pair<PlannedStage>;

function stagePairs(before: Plan, now: Plan, named: readonly (readonly [string, string])[]): StagePair[] {
  const other = new Map(named);
  const taken = new Set(other.values());
  const first = before.stages.map((stage): StagePair => {
    const partner = other.get(stage.name) ?? (taken.has(stage.name) ? undefined : stage.name);
    const found = now.stages.find(({ name }) => name === partner);
    return { name: found === undefined || found.name === stage.name ? stage.name : `${stage.name} = ${found.name}`, before: stage, now: found };
  });
  const met = new Set(first.flatMap((pair) => pair.now?.name ?? []));
  return [...first, ...now.stages.filter(({ name }) => !met.has(name)).map((stage) => ({ name: stage.name, before: undefined, now: stage }))];
}

/** Sections of a spec that say more than the resolved stages do. */
const sections = ["name", "seed", "models", "deadline", "approval", "notify"] as const;

function specSections(before: Plan, now: Plan, pairs: readonly StagePair[]): SpecField[] {
  const [one, other] = [writtenIn(before), writtenIn(now)];
  return [
    ...sections.map((name): Pair<Value> => ({ name, before: one[name], now: other[name] })),
    ...pairs.map((pair): SpecField => ({ name: `stages.${pair.name}`, stage: pair.name, before: settingsOf(pair.before), now: settingsOf(pair.now) })),
  ];
}

const jsonObject = z.record(z.string(), z.json());

function writtenIn({ spec }: Plan): Record<string, Value> {
  try {
    return jsonObject.parse(JSON.parse(spec));
  } catch {
    return {};
  }
}

/** Complete parameters of a stage, with its kind and seed. */
function settingsOf(stage: PlannedStage | undefined): Value {
  if (stage === undefined) return undefined;
  const { description: _, ...parameters } = stage.parameters;
  return { ...parameters, kind: stage.kind, seed: stage.seed };
}

function dataOf({ stages }: Plan): Map<string, Value> {
  const found = new Map<string, Value>();
  for (const { inputs } of stages) for (const [field, input] of Object.entries(inputs)) {
    if (input.from === "data") for (const { name, ...entry } of input.entries) if (!("stage" in entry)) found.set(name, entry);
    if (input.from === "file") found.set(`module of ${field}`, { path: input.path, digest: input.digest });
    if (input.from === "directory") found.set(`model of ${field}`, { path: input.path, digest: input.digest, ...(input.under !== undefined && { under: input.under.map(({ digest }) => digest) }) });
  }
  return found;
}

/** What computed, over all attempts of a run: every value that a member of the environment had. */
function environmentOf(entries: readonly LedgerEntry[]): Map<string, Value> {
  const found = new Map<string, Set<string>>();
  const say = (name: string, value: string) => found.set(name, (found.get(name) ?? new Set()).add(value));
  for (const { event } of entries) {
    if (event.type === "run-submitted" || event.type === "run-resumed") for (const [name, version] of Object.entries(event.versions)) say(name, version);
    if (event.type !== "stage-started" || event.environment === undefined) continue;
    const { backend, device, threads, versions } = event.environment;
    for (const [name, value] of Object.entries({ backend, device, threads: String(threads), ...versions })) say(name, value);
  }
  return new Map([...found].map(([name, values]) => [name, [...values].sort().join(", ")]));
}

function paired(before: ReadonlyMap<string, Value>, now: ReadonlyMap<string, Value>): Pair<Value>[] {
  return [...new Set([...before.keys(), ...now.keys()])].map((name) => ({ name, before: before.get(name), now: now.get(name) }));
}

function comparedStage({ name, before, now }: StagePair, resultsBefore: Side["results"], resultsNow: Side["results"]): ComparedStage {
  const [one, other] = [before && resultsBefore.get(before.name), now && resultsNow.get(now.name)];
  const names = [...new Set([...Object.keys(one?.figures ?? {}), ...Object.keys(other?.figures ?? {})])];
  const standing = before === undefined || now === undefined ? "one"
    : before.key === now.key ? "same-key" : one?.artifact !== undefined && one.artifact === other?.artifact ? "same-bytes" : "differs";
  return {
    name, kind: (now ?? before)!.kind, standing, ...(standing === "one" && { only: now === undefined ? "before" : "now" }),
    artifacts: { name: "artifact", before: one?.artifact, now: other?.artifact },
    steps: { name: "steps", before: one?.step, now: other?.step },
    figures: names.map((figure) => {
      const [a, b] = [one?.figures[figure], other?.figures[figure]];
      return { name: figure, before: a, now: b, difference: a === undefined || b === undefined ? undefined : b - a };
    }),
    curves: standing === "same-key" || standing === "same-bytes" ? [] : alignedCurves(one?.metrics ?? [], other?.metrics ?? []),
  };
}

/** Every metric that both have, at the steps that both have. */
export function alignedCurves(before: readonly MetricsLine[], now: readonly MetricsLine[]): AlignedCurve[] {
  const lookup = new Map(now.map((line) => [line.step, line]));
  const metrics = [...new Set(before.flatMap((line) => Object.keys(line)))].filter((metric) => metric !== "step");
  return metrics.flatMap((metric) => {
    const points = before.flatMap((line) => {
      const [a, b] = [line[metric], lookup.get(line.step)?.[metric]];
      return a === undefined || b === undefined ? [] : [[line.step, a, b] as const];
    });
    return points.length === 0 ? [] : [{ metric, points }];
  });
}
