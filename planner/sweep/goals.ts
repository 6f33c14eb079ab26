import { suggestion } from "../../foundation/suggest.js";
import { stageKinds } from "../../schemas/stages/table.js";
import type { PlannedSweep } from "../../schemas/sweep.js";
import type { Fault } from "../fault.js";
import { membersOf } from "../members.js";
import type { Copy } from "./copies.js";

/** What is wrong with the stages that a sweep's results are sorted by, and its variants stopped by; their metrics are looked at once references are known. */
export function goalFaults(template: Readonly<Record<string, unknown>>, { objective, halving, variants }: PlannedSweep, copies: readonly Copy[]): Fault[] {
  const stages = membersOf(template["stages"]);
  const multiplied = [...new Set(variants.flatMap((variant) => Object.keys(variant.stages)))];
  return [
    ...(objective === undefined ? [] : oneGoalFaults("objective", objective, stages, multiplied)),
    ...(halving === undefined ? [] : [
      ...oneGoalFaults("halving", halving, stages, multiplied), ...rungFaults(halving, copies),
    ]),
  ];
}

function oneGoalFaults(member: string, { stage }: { readonly stage: string }, stages: Readonly<Record<string, unknown>>, multiplied: readonly string[]): Fault[] {
  const path = ["sweep", member, "stage"];
  if (!Object.hasOwn(stages, stage)) {
    return [{ code: "TL_SPEC_UNKNOWN_REFERENCE", path, message: `there is no stage \`${stage}\``, hint: suggestion(stage, multiplied) }];
  }
  if (!multiplied.includes(stage)) {
    return [{
      code: "TL_SPEC_WRONG_REFERENCE", path, message: `\`${stage}\` is the same in all variants, so that nothing can be told apart by it`,
      hint: `stages that differ: ${multiplied.map((name) => `\`${name}\``).join(", ")}`,
    }];
  }
  return [];
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
