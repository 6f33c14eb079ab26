import { z } from "zod";
import { guardsOf } from "../activities/reuse.js";
import { TruelineError } from "../foundation/errors.js";
import { suggestion } from "../foundation/suggest.js";
import { counted } from "../foundation/text.js";
import { createPlan } from "../planner/plan.js";
import type { PlannedStage } from "../schemas/plan.js";
import type { MetricsLine } from "../schemas/report.js";
import type { Store } from "../store/store.js";
import { replay, type Replay } from "../training/replay.js";
import { allowPathOption, defineCommand, jsonOption } from "./command.js";
import { number, table } from "./output.js";
import { recordedMetrics } from "./stage-artifact.js";
import { openStore } from "./store.js";

interface Checked extends Replay {
  readonly stage: string;
  readonly seed: number;
}

/** `trueline check-guards SPEC RUN`: at which steps a spec's guards would have been breached in a run that is over. */
export const checkGuardsCommand = defineCommand({
  name: "check-guards",
  arguments: "<spec> <run>",
  summary: "say at which steps a spec's guards would have been breached in a run's recorded metrics",
  details: "Shows the metrics that a run has recorded to the guards of a spec, so that their bounds can be tried before they are trusted. Stages\n"
    + "are matched by name; with --stage the guards of that one look at all of the run's stages of its kind. Nothing is run or written.",
  examples: [
    "trueline check-guards pipelines/guarded-vanilla.json vanilla-against-max-20260101-k3v9qz",
    "trueline check-guards pipelines/guarded-vanilla.json vanilla-against-max-20260101-k3v9qz --stage vanilla-21",
  ],
  options: {
    json: jsonOption,
    allowPath: allowPathOption,
    stage: { flags: "--stage <name>", summary: "the stage of the spec whose guards look at all stages of its kind", schema: z.string().optional() },
  },
  async run({ arguments: [path = "", id = ""], options, output }) {
    const store = openStore();
    const recorded = await recordedStages(store, id);
    const { stages, specDigest } = await createPlan(path, { allowPaths: options.allowPath });
    const guarded = stages.filter((stage) => Object.keys(guardsOf(stage)).length > 0);
    const chosen = options.stage === undefined ? guarded : [stageNamed(guarded, options.stage)];
    const checked = chosen.flatMap((stage) => recorded
      .filter((each) => (options.stage === undefined ? each.stage.name === stage.name : each.stage.kind === stage.kind))
      .map((each): Checked => ({ stage: each.stage.name, seed: each.stage.seed, ...replay(guardsOf(stage), each.lines) })));
    if (checked.length === 0) {
      throw new TruelineError("TL_RUN_STAGE_UNFINISHED", `Run ${id} has recorded no metrics of a stage that ${path} guards.`, {
        hint: "Stages are matched by name; with `--stage NAME` the guards of one look at all stages of its kind.",
      });
    }
    if (options.json) output.json({ run: id, specDigest, stages: checked });
    else output.data(table(["stage", "guard", "breached"], checked.flatMap(rowsOf)));
    return 0;
  },
});

function stageNamed(stages: readonly PlannedStage[], name: string): PlannedStage {
  const stage = stages.find((each) => each.name === name);
  if (stage === undefined) {
    throw new TruelineError("TL_RUN_STAGE_UNKNOWN", `The spec guards no stage ${name}.`, { hint: suggestion(name, stages.map((each) => each.name)) });
  }
  return stage;
}

/** The stages of a run with the metrics that they have recorded. */
async function recordedStages(store: Store, run: string): Promise<{ readonly stage: PlannedStage; readonly lines: readonly MetricsLine[] }[]> {
  const recorded = await recordedMetrics(store, run);
  const { stages } = await store.runs.plan(run);
  return stages.flatMap((stage) => {
    const lines = recorded.get(stage.name)?.lines ?? [];
    return lines.length === 0 ? [] : [{ stage, lines }];
  });
}

function rowsOf({ stage, steps, guards }: Checked): string[][] {
  return Object.entries(guards).map(([name, { breach, recorded }]) => [stage, name, breach === undefined
    ? recorded ? `not in ${counted(steps, "step")}` : "the run does not record what it watches"
    : `after step ${breach.step} of ${steps}: ${breach.metric} is ${number(breach.value ?? NaN)}, ${breach.bound}`]);
}
