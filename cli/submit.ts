import { TruelineError } from "../foundation/errors.js";
import { createPlan } from "../planner/plan.js";
import { unattendedQueues, unattendedText } from "../temporal/attendance.js";
import { presentPipelines } from "../temporal/observe.js";
import { allowPathOption, defineCommand, jsonOption } from "./command.js";
import { openStore } from "./store.js";
import { newRunId, recordSubmission } from "./submission.js";

/** `trueline submit SPEC`: hands a run to the server that is there and leaves it to the workers. */
export const submitCommand = defineCommand({
  name: "submit",
  arguments: "<spec>",
  summary: "hand a run to the server and leave it to workers",
  details: "Needs a server that stays: the one TEMPORAL_ADDRESS names, or `trueline server`.",
  examples: ["trueline submit pipelines/quickstart.json", "trueline submit my.json --json"],
  options: { json: jsonOption, allowPath: allowPathOption },
  async run({ arguments: [path = ""], options, output }) {
    const plan = await createPlan(path, { allowPaths: options.allowPath });
    const store = openStore();
    const pipelines = await presentPipelines(store.home);
    if (pipelines === undefined) {
      throw new TruelineError("TL_TEMPORAL_UNAVAILABLE", "There is no server to submit to.", {
        hint: "Start `trueline server` and `trueline worker` in terminals of their own, or use `trueline run`.",
      });
    }
    try {
      const id = newRunId(plan.name);
      await recordSubmission(store, id, plan);
      await pipelines.start({ run: id, plan });
      for (const queue of await unattendedQueues(store, plan.stages, pipelines)) output.note(unattendedText(queue, plan.stages, await store.workers.present()));
      if (options.json) output.json({ id, name: plan.name, state: "waiting" });
      else output.data(id);
      return 0;
    } finally {
      await pipelines.close();
    }
  },
});
