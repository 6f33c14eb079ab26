import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { suggestion } from "../foundation/suggest.js";
import { counted } from "../foundation/text.js";
import { limitedTo } from "../planner/order.js";
import { createPlan } from "../planner/plan.js";
import type { Plan } from "../schemas/plan.js";
import { observe, waitsForPerson, type ObservedRun } from "../temporal/observe.js";
import type { Store } from "../store/store.js";
import { allowPathOption, defineCommand, jsonOption, type OptionDefinition } from "./command.js";
import { wholeNumber } from "./numbers.js";
import type { Output } from "./output.js";
import { runJson, runText } from "./run-view.js";
import { openStore } from "./store.js";
import { unquestionedResults, newRunId, recordReuse, recordSubmission } from "./submission.js";

export const slotsOption = {
  flags: "--slots <number>", summary: "stages at once (default: one for every four processors)",
  schema: wholeNumber(1, 10_000).optional(),
} satisfies OptionDefinition;

/** What the exit code of a command that follows a run says, for its `--help`. */
export const endingHelp = "Exits with 0 when the run finished, with 1 when it failed, was cancelled or was interrupted, and with 6 when it waits\n"
  + "for a person: it is paused, or nothing goes on before an approval.";

export const untilOption = {
  flags: "--until <stage>", summary: "go no further than this stage and what it needs; the run then ends paused", schema: z.string().min(1).optional(),
} satisfies OptionDefinition;

/** `trueline run SPEC`: plans, starts what is missing, follows, and says where the results are. */
export const runCommand = defineCommand({
  name: "run",
  arguments: "<spec>",
  summary: "run a pipeline and follow it to its end",
  details: "Starts a Temporal server and a worker where there are none, and ends them afterwards. Stages whose result is\n"
    + `there already are reused. Ctrl-C stops with a checkpoint; \`trueline resume\` goes on from it.\n${endingHelp}`,
  examples: ["trueline run pipelines/quickstart.json", "trueline run my.json --allow-path /data --json", "trueline run my.json --until sft"],
  options: { json: jsonOption, allowPath: allowPathOption, slots: slotsOption, until: untilOption },
  async run({ arguments: [path = ""], options, output }) {
    const plan = await createPlan(path, { allowPaths: options.allowPath });
    const only = limitedTo(plan.stages, stageToEndWith(plan, options.until));
    const isLimited = only !== undefined && only.length < plan.stages.length;
    for (const warning of plan.warnings) output.note(`${output.noteColors.yellow("warning:")} ${warning}`);
    const store = openStore();
    const id = newRunId(plan.name);
    const stages = plan.stages.filter(({ name }) => only?.includes(name) ?? true);
    const results = await unquestionedResults(store, { stages });
    if (results !== undefined) {
      await recordSubmission(store, id, plan, only);
      await recordReuse(store, id, stages, results, isLimited ? options.until : undefined);
      output.note("Every stage has a result already; nothing was run.");
      return conclude(await observe(store, await store.runs.read(id), undefined), store, output, options.json);
    }
    // Temporal's libraries take a while to load: only where something is to be run.
    const { execute } = await import("./execute.js");
    const input = { run: id, plan, ...(only !== undefined && { only, until: options.until }) };
    const run = await execute({ store, input, output, slots: options.slots }, async () => {
      await recordSubmission(store, id, plan, only);
      output.note(`Run ${id}`);
    });
    return conclude(run, store, output, options.json);
  },
});

/** @throws TL_RUN_STAGE_UNKNOWN where the spec has no such stage. */
function stageToEndWith({ stages }: Plan, until: string | undefined): string | undefined {
  if (until !== undefined) refuseUnknownStage("--until", "the spec", until, stages);
  return until;
}

/** Errors: TL_RUN_STAGE_UNKNOWN where an option names no stage, which of a sweep is a copy. `whose`: what should have the stage. */
export function refuseUnknownStage(option: string, whose: string, stage: string, stages: Plan["stages"]): void {
  const names = stages.map(({ name }) => name);
  if (names.includes(stage)) return;
  const copies = names.filter((name) => name.startsWith(`${stage}.`));
  if (copies.length === 0) throw new TruelineError("TL_RUN_STAGE_UNKNOWN", `${option}: ${whose} has no stage ${stage}.`, { hint: suggestion(stage, names) });
  throw new TruelineError("TL_RUN_STAGE_UNKNOWN", `${option}: the sweep makes ${counted(copies.length, "copy", "copies")} of ${stage}; it takes one of them.`, {
    hint: `Such as ${option} ${copies[0]!}; \`trueline plan SPEC --all\` lists them.`,
  });
}

/** Prints how a run ended; gives the exit code: 6 where it waits for a person. */
export function conclude(run: ObservedRun, store: Store, output: Output, json: boolean): number {
  if (json) output.json(runJson(run, store));
  else output.data(runText(run, store, output.colors));
  return run.state === "finished" ? 0 : waitsForPerson(run) ? 6 : 1;
}
