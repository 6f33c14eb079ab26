import type { StageResult } from "../schemas/artifact.js";
import type { Plan, PlannedStage } from "../schemas/plan.js";
import type { Standing } from "../store/standing.js";
import { differences } from "./differences.js";

/** What is known about a stage before it runs. */
export interface StageKnowledge {
  /** What its key decides. */
  readonly standing: Standing;
  /** The stage as earlier runs of the same pipeline planned it, newest first. */
  readonly earlier: readonly EarlierStage[];
}

export interface EarlierStage {
  readonly run: string;
  readonly stage: PlannedStage;
  readonly result: StageResult | undefined;
}

/** What happens with a stage, and why, in words for people. */
export type Decision = {
  readonly reason: string;
  /** About how long it takes, from earlier results; undefined where there are none. */
  readonly seconds: number | undefined;
} & (
  | { readonly action: "reuse"; readonly run: string }
  /** Goes on after `step` steps. */
  | { readonly action: "resume"; readonly step: number }
  | { readonly action: "run" }
);

/** Whether a stage is reused, resumed or run. `willRun`: the stages before it that are not reused; `own`: the run that it is decided for, if there is one yet. */
export function decide(stage: PlannedStage, knowledge: StageKnowledge, willRun: ReadonlySet<string>, own?: string): Decision {
  const { standing, earlier } = knowledge;
  const whole = estimate(stage, earlier);
  const named = (run: string) => (run === own ? "this run" : `run ${run}`);
  switch (standing.action) {
    case "reuse": {
      const { run, finishedAt } = standing.result;
      return { action: "reuse", run, seconds: 0, reason: `finished in ${named(run)}, ${finishedAt.slice(0, 16).replace("T", " ")}` };
    }
    case "resume": {
      const { step, run } = standing.checkpoint;
      const steps = stepsOf(stage);
      return {
        action: "resume", step, reason: `checkpoint after step ${step}${steps === undefined ? "" : ` of ${steps}`} from ${named(run)}`,
        seconds: whole === undefined || steps === undefined ? whole : whole * Math.max(0, 1 - step / steps),
      };
    }
    case "run": {
      const { damage } = standing;
      return { action: "run", seconds: whole, reason: damage === undefined ? reasonToRun(stage, earlier, willRun, named) : `its result is damaged: ${damage.fault}` };
    }
  }
}

/** Decisions for a whole plan, by stage, in its order. */
export function decideAll(plan: Plan, knowledge: ReadonlyMap<string, StageKnowledge>): Map<string, Decision> {
  const willRun = new Set<string>();
  return new Map(plan.stages.map((stage) => {
    const decision = decide(stage, knowledge.get(stage.name) ?? { standing: { action: "run" }, earlier: [] }, willRun);
    if (decision.action !== "reuse") willRun.add(stage.name);
    return [stage.name, decision];
  }));
}

/** What changed against the most similar earlier plan of the stage. */
function reasonToRun(stage: PlannedStage, earlier: readonly EarlierStage[], willRun: ReadonlySet<string>, named: (run: string) => string): string {
  const compared = earlier.filter((each) => each.stage.kind === stage.kind)
    .map((each) => ({ ...each, changes: differences(each.stage, stage, willRun) }));
  if (compared.length === 0) return "never run before";
  // Sorting is stable, so that of equally similar ones the newest counts; finished ones tell more.
  const [nearest] = compared.sort((a, b) => a.changes.length - b.changes.length || Number(b.result !== undefined) - Number(a.result !== undefined));
  const { changes, run } = nearest!;
  if (changes.length === 0) return `not finished in ${named(run)}, and no checkpoint was kept`;
  return changes.length <= 3 ? changes.join("; ") : `${changes.slice(0, 3).join("; ")}; and ${changes.length - 3} more changes`;
}

/** Parameters that a stage's work is proportional to; a batch's size only where the number of steps is given. */
const work = ["epochs", "maxPrompts", "maxNewTokens"];
const workOfSteps = ["steps", "rollouts", "length", "batch"];

/** Seconds of the newest earlier result, by the ratio of the work. */
function estimate(stage: PlannedStage, earlier: readonly EarlierStage[]): number | undefined {
  const known = earlier.find((each) => each.result !== undefined && each.stage.kind === stage.kind);
  if (known?.result === undefined) return undefined;
  const names = stepsOf(stage) === undefined ? work : [...work, ...workOfSteps];
  const factor = names.reduce((product, name) => {
    const [before, now] = [known.stage.parameters[name], stage.parameters[name]];
    return typeof before === "number" && typeof now === "number" ? product * now / before : product;
  }, 1);
  return known.result.seconds * factor;
}

function stepsOf(stage: PlannedStage): number | undefined {
  const steps = stage.parameters["steps"];
  return typeof steps === "number" ? steps : undefined;
}
