import { suggestion } from "../../foundation/suggest.js";
import type { StageSpec } from "../../schemas/spec.js";
import type { PlannedSweep } from "../../schemas/sweep.js";
import type { Draft, DraftStage } from "../draft.js";
import type { Facts } from "../facts.js";
import type { Fault } from "../fault.js";
import { figuresOf, metricsOf, whatItTakes } from "../reported.js";

const goals = ["objective", "halving"] as const;

/** A copy of the stage that a goal reads. */
interface Reader {
  readonly stage: DraftStage;
  readonly complete: StageSpec;
  readonly known: readonly string[];
  /** What it needs to leave the metric; undefined where it has it. */
  readonly needs?: string | undefined;
}

/** Metrics that a sweep's results are to be sorted by, or its variants stopped by, and that no variant would have. */
export function goalMetricFaults(draft: Draft, facts: Facts, sweep: PlannedSweep): Fault[] {
  return goals.flatMap((goal): Fault[] => {
    const { stage = "", metric = "" } = sweep[goal] ?? {};
    const readers = readersOf(draft, facts, sweep, goal);
    if (readers.length === 0 || readers.some((reader) => hasMetric(reader, metric))) return [];
    const path = ["sweep", goal, "metric"];
    const lacking = readers.find(({ known }) => known.includes(metric));
    if (lacking !== undefined) return [{ code: "TL_SPEC_CONFLICT", path, message: `\`${stage}\` does not report \`${metric}\``, ...(lacking.needs !== undefined && { hint: lacking.needs }) }];
    const known = [...new Set(readers.flatMap((reader) => reader.known))];
    const called = known.find((name) => name.endsWith(`/${metric}`));
    const hint = known.length === 0 ? "name a stage that trains" : called !== undefined ? `did you mean \`${called}\`?` : suggestion(metric, known) ?? `such as ${known.slice(0, 6).map((name) => `\`${name}\``).join(", ")}`;
    return [{ code: "TL_SPEC_WRONG_VALUE", path, message: `\`${stage}\` has no \`${metric}\``, hint }];
  });
}

/** Goals that some variants have no figure for, one sentence each. */
export function goalMetricWarnings(draft: Draft, facts: Facts, sweep: PlannedSweep): string[] {
  return goals.flatMap((goal) => {
    const { metric = "" } = sweep[goal] ?? {};
    const lacking = readersOf(draft, facts, sweep, goal).filter((reader) => !hasMetric(reader, metric));
    return lacking.length === 0 ? [] : [`sweep: ${lacking.map(({ stage }) => stage.name).join(", ")} will have no \`${metric}\`, which \`${goal}\` reads: what has none comes last`];
  });
}

const hasMetric = ({ known, needs }: Reader, metric: string): boolean => known.includes(metric) && needs === undefined;

/** The copies of the stage that a goal reads; none where one of them has faults that are told. */
function readersOf(draft: Draft, facts: Facts, sweep: PlannedSweep, goal: (typeof goals)[number]): Reader[] {
  const { stage: template = "", metric = "" } = sweep[goal] ?? {};
  const names = [...new Set(sweep.variants.flatMap(({ stages }) => stages[template] ?? []))];
  const readers = names.flatMap((name): Reader[] => {
    const stage = draft.stages.get(name);
    const complete = stage?.complete;
    if (stage === undefined || complete === undefined) return [];
    return [{ stage, complete, known: goal === "halving" ? metricsOf(complete) : figuresOf(complete), needs: whatItTakes(draft, facts, stage, complete, metric) }];
  });
  return readers.length < names.length ? [] : readers;
}
