import { suggestion } from "../../foundation/suggest.js";
import { evaluationFigures, judgeFigures, stageFigures, stageMetrics } from "../../schemas/metrics.js";
import { stageKinds } from "../../schemas/stages/table.js";
import type { PlannedSweep } from "../../schemas/sweep.js";
import type { Fault } from "../fault.js";
import { membersOf } from "../members.js";
import type { Copy } from "./copies.js";

type Goal = Pick<NonNullable<PlannedSweep["objective"]>, "stage" | "metric">;

/** What is wrong with what a sweep's results are sorted by, and with what its variants are stopped by. */
export function goalFaults(template: Readonly<Record<string, unknown>>, { objective, halving, variants }: PlannedSweep, copies: readonly Copy[]): Fault[] {
  const stages = membersOf(template["stages"]);
  const multiplied = [...new Set(variants.flatMap((variant) => Object.keys(variant.stages)))];
  const kindOf = (stage: string) => String(membersOf(stages[stage])["kind"]);
  return [
    ...(objective === undefined ? [] : oneGoalFaults("objective", objective, stages, multiplied, stageFigures(kindOf(objective.stage)))),
    ...(halving === undefined ? [] : [
      ...oneGoalFaults("halving", halving, stages, multiplied, metricsOf(kindOf(halving.stage))), ...rungFaults(halving, copies),
    ]),
  ];
}

function oneGoalFaults(member: string, { stage, metric }: Goal, stages: Readonly<Record<string, unknown>>, multiplied: readonly string[], known: readonly string[] | undefined): Fault[] {
  const place = (field: string) => ["sweep", member, field];
  if (!Object.hasOwn(stages, stage)) {
    return [{ code: "TL_SPEC_UNKNOWN_REFERENCE", path: place("stage"), message: `there is no stage \`${stage}\``, hint: suggestion(stage, multiplied) }];
  }
  if (!multiplied.includes(stage)) {
    return [{
      code: "TL_SPEC_WRONG_REFERENCE", path: place("stage"), message: `\`${stage}\` is the same in all variants, so that nothing can be told apart by it`,
      hint: `stages that differ: ${multiplied.map((name) => `\`${name}\``).join(", ")}`,
    }];
  }
  if (known === undefined || known.includes(metric) || (known === evaluationFigures && judgeFigures.test(metric))) return [];
  const hint = known.length === 0 ? "name a stage that trains" : suggestion(metric, known) ?? `such as ${known.slice(0, 6).map((name) => `\`${name}\``).join(", ")}`;
  return [{ code: "TL_SPEC_WRONG_VALUE", path: place("metric"), message: `\`${stage}\` has no \`${metric}\``, hint }];
}

/** The metrics of a kind's training, step by step; none of a kind that does not train. */
function metricsOf(kind: string): readonly string[] {
  return Object.entries(stageMetrics).flatMap(([name, metrics]) => name === kind ? Object.keys(metrics) : []);
}

/** A rung behind the end of all variants would stop nobody. */
function rungFaults({ stage, every }: NonNullable<PlannedSweep["halving"]>, copies: readonly Copy[]): Fault[] {
  const steps = copies.filter(({ template }) => template === stage).map(({ written }) => stepsOf(written));
  const most = Math.max(...steps.map((each) => each ?? Infinity));
  return most > every ? [] : [{
    code: "TL_SPEC_WRONG_VALUE", path: ["sweep", "halving", "every"], message: `\`every\` is ${every}, and \`${stage}\` has at most ${most} steps: there is no rung`, hint: `write less than ${most}`,
  }];
}

/** The steps of a stage where they are a parameter. */
function stepsOf(written: unknown): number | undefined {
  const kind = Object.entries(stageKinds).find(([name]) => name === membersOf(written)["kind"])?.[1];
  const { steps } = membersOf(kind?.parameters.safeParse(written).data);
  return typeof steps === "number" ? steps : undefined;
}
