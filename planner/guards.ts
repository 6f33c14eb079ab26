import { changeSchema, changesOf, plannedGuardsSchema, type Change, type Guard, type Guards } from "../schemas/guards.js";
import type { StageSpec } from "../schemas/spec.js";
import type { Draft, DraftStage } from "./draft.js";
import type { Facts } from "./facts.js";
import type { Fault } from "./fault.js";
import { membersOf } from "./members.js";
import { changedTricks } from "./presets.js";
import { tricksOf, whatItTakes } from "./reported.js";

const conditions = ["above", "below", "risesBy", "fallsBy", "nan"] as const;

/** The guards of a stage that trains, as written but for defaults; none of other stages. */
export function guardsOf(complete: StageSpec): Guards {
  return "guards" in complete ? plannedGuardsSchema.parse(complete.guards) : {};
}

/** The guards as a plan holds them: changes of tricks with all their parameters, each change resting on the one before. */
export function plannedGuards(stage: DraftStage, complete: StageSpec): Guards {
  const tricks = tricksOf(stage, complete);
  return Object.fromEntries(Object.entries(guardsOf(complete)).map(([name, guard]) => {
    if (typeof guard.then === "string") return [name, guard];
    let on = tricks;
    const change = writtenChanges(stage, name).map((written, index): Change => {
      const members = changesOf(guard)[index]!;
      if (written["tricks"] === undefined) return members;
      const changed = changedTricks(on, membersOf(written["tricks"]));
      on = { ...on, ...Object.fromEntries(Object.entries(changed).map(([trick, value]) => [trick, value === false ? undefined : value])) };
      return changeSchema.parse({ ...members, tricks: changed });
    });
    return [name, { ...guard, then: { rollBack: { ...guard.then.rollBack, change } } }];
  }));
}

/** The guards that change a stage's result, for its key: those that only note, stop or ask do not. */
export function decisiveGuards(guards: Guards): Guards {
  const decisive = Object.entries(guards).filter(([, guard]) => changesOf(guard).length > 0);
  return Object.fromEntries(decisive.map(([name, { description: _, ...guard }]) => [name, guard]));
}

/** What is wrong with a stage's guards beyond their form. */
export function guardFaults(draft: Draft, facts: Facts, stage: DraftStage, complete: StageSpec): Fault[] {
  return Object.entries(guardsOf(complete)).flatMap(([name, guard]) => {
    const fault = (field: string | undefined, message: string, hint?: string): Fault => ({
      code: "TL_SPEC_CONFLICT", path: ["stages", stage.name, "guards", name, ...(field === undefined ? [] : [field])], part: "key",
      message, ...(hint !== undefined && { hint }),
    });
    return [
      ...conditionFaults(guard, fault),
      ...(["metric", "against"] as const).flatMap((field): Fault[] => {
        const metric = guard[field];
        const missing = metric === undefined ? undefined : whatItTakes(draft, facts, stage, complete, metric);
        return missing === undefined ? [] : [{ ...fault(field, `this stage does not report \`${metric}\``, missing), part: "value" }];
      }),
      ...changeFaults(stage, complete, name, fault),
    ];
  });
}

type MakeFault = (field: string | undefined, message: string, hint?: string) => Fault;

function conditionFaults(guard: Guard, fault: MakeFault): Fault[] {
  const given = conditions.filter((name) => guard[name] !== undefined);
  const [condition, second] = given;
  const choices = conditions.map((name) => `\`${name}\``).join(", ");
  if (condition === undefined) return [fault(undefined, "the guard has no condition", `write one of ${choices}`)];
  if (second !== undefined) return [fault(second, `the guard has ${given.length} conditions: ${given.map((name) => `\`${name}\``).join(", ")}`, "make a guard of each")];
  if (condition === "nan") {
    return [
      ...(["metric", "against"] as const).filter((name) => guard[name] !== undefined)
        .map((name) => fault(name, "`nan` watches every loss and gradient norm", `leave \`${name}\` out`)),
      ...(guard.then === "note" || guard.then === "ask"
        ? [fault("then", `\`${guard.then}\` is no answer to \`nan\`: training can't go on from such weights`, "leave `then` out to stop, or roll back")] : []),
    ];
  }
  if (guard.metric === undefined) return [fault(undefined, "the guard names no metric", "name what it watches in `metric`")];
  if (guard.against === undefined) return [];
  if (condition !== "fallsBy") return [fault("against", `\`against\` goes with \`fallsBy\`, and the condition is \`${condition}\``)];
  return guard.against === guard.metric ? [fault("against", "`metric` and `against` are the same")] : [];
}

function changeFaults(stage: DraftStage, complete: StageSpec, guard: string, fault: MakeFault): Fault[] {
  if (tricksOf(stage, complete).adaptiveKl === undefined) return [];
  const steered = writtenChanges(stage, guard).some(({ tricks }) => membersOf(tricks)["klPenalty"] !== undefined);
  return steered ? [fault("then", "a rollback can't change `klPenalty`: `adaptiveKl` steers its coefficient", "change something else, or turn `adaptiveKl` off")] : [];
}

function writtenChanges(stage: DraftStage, guard: string): Readonly<Record<string, unknown>>[] {
  const { rollBack } = membersOf(membersOf(membersOf(stage.written["guards"])[guard])["then"]);
  return [membersOf(rollBack)["change"]].flat().filter((change) => change !== undefined).map(membersOf);
}
