import { createPlan } from "../planner/plan.js";
import { observe, waitsForPerson, type ObservedRun } from "../temporal/observe.js";
import type { Store } from "../store/store.js";
import { allowPathOption, defineCommand, jsonOption, type OptionDefinition } from "./command.js";
import { wholeNumber } from "./numbers.js";
import type { Output } from "./output.js";
import { runJson, runText } from "./run-view.js";
import { openStore } from "./store.js";
import { allResults, newRunId, recordReuse, recordSubmission } from "./submission.js";

export const slotsOption = {
  flags: "--slots <number>", summary: "stages at once (default: one for every four processors)",
  schema: wholeNumber(1).optional(),
} satisfies OptionDefinition;

/** What the exit code of a command that follows a run says, for its `--help`. */
export const endingHelp = "Exits with 0 when the run finished, and with 1 when it failed, was cancelled or was interrupted.";

/** `trueline run SPEC`: plans, starts what is missing, follows, and says where the results are. */
export const runCommand = defineCommand({
  name: "run",
  arguments: "<spec>",
  summary: "run a pipeline and follow it to its end",
  details: "Starts a Temporal server and a worker where there are none, and ends them afterwards. Stages whose result is\n"
    + `there already are reused. Ctrl-C stops with a checkpoint; \`trueline resume\` goes on from it.\n${endingHelp}`,
  examples: ["trueline run pipelines/quickstart.json", "trueline run my.json --allow-path /data --json"],
  options: { json: jsonOption, allowPath: allowPathOption, slots: slotsOption },
  async run({ arguments: [path = ""], options, output }) {
    const plan = await createPlan(path, { allowPaths: options.allowPath });
    for (const warning of plan.warnings) output.note(`${output.noteColors.yellow("warning:")} ${warning}`);
    const store = openStore();
    const id = newRunId(plan.name);
    const results = await allResults(store, plan);
    if (results !== undefined) {
      await recordSubmission(store, id, plan);
      await recordReuse(store, id, plan.stages, results);
      output.note("Every stage has a result already; nothing was run.");
      return conclude(await observe(store, await store.runs.read(id), undefined), store, output, options.json);
    }
    // Temporal's libraries take a while to load: only where something is to be run.
    const { execute } = await import("./execute.js");
    const run = await execute({ store, input: { run: id, plan }, output, slots: options.slots }, async () => {
      await recordSubmission(store, id, plan);
      output.note(`Run ${id}`);
    });
    return conclude(run, store, output, options.json);
  },
});

/** Prints how a run ended; gives the exit code: 6 where it waits for a person. */
export function conclude(run: ObservedRun, store: Store, output: Output, json: boolean): number {
  if (json) output.json(runJson(run, store));
  else output.data(runText(run, store, output.colors));
  return run.state === "finished" ? 0 : waitsForPerson(run) ? 6 : 1;
}
