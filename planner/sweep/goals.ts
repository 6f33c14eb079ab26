import { suggestion } from "../../foundation/suggest.js";
import { stageFigures } from "../../schemas/metrics.js";
import type { PlannedSweep } from "../../schemas/sweep.js";
import { membersOf } from "../members.js";
import type { Fault } from "../fault.js";

/** What is wrong with what a sweep's results are sorted by. */
export function goalFaults(template: Readonly<Record<string, unknown>>, { objective, variants }: PlannedSweep): Fault[] {
  if (objective === undefined) return [];
  const { stage, metric } = objective;
  const stages = membersOf(template["stages"]);
  const multiplied = [...new Set(variants.flatMap((variant) => Object.keys(variant.stages)))];
  if (!Object.hasOwn(stages, stage)) {
    return [{ code: "TL_SPEC_UNKNOWN_REFERENCE", path: ["sweep", "objective", "stage"], message: `there is no stage \`${stage}\``, hint: suggestion(stage, multiplied) }];
  }
  if (!multiplied.includes(stage)) {
    return [{
      code: "TL_SPEC_WRONG_REFERENCE", path: ["sweep", "objective", "stage"], message: `\`${stage}\` is the same in all variants, so that nothing can be told apart by it`,
      hint: `stages that differ: ${multiplied.map((name) => `\`${name}\``).join(", ")}`,
    }];
  }
  const known = stageFigures(String(membersOf(stages[stage])["kind"]));
  if (known === undefined || known.includes(metric)) return [];
  return [{
    code: "TL_SPEC_WRONG_VALUE", path: ["sweep", "objective", "metric"], message: `\`${stage}\` leaves no figure \`${metric}\``,
    hint: suggestion(metric, known) ?? (known.length === 0 ? "stages of this kind leave none" : `such as ${known.slice(0, 6).map((name) => `\`${name}\``).join(", ")}`),
  }];
}
