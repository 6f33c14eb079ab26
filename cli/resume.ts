import { TruelineError } from "../foundation/errors.js";
import { hasEnded, isWorkedOn, observe, presentPipelines, type ObservedRun } from "../temporal/observe.js";
import type { Store } from "../store/store.js";
import { goOn } from "./attempt.js";
import { defineCommand, jsonOption } from "./command.js";
import { conclude, endingHelp, slotsOption } from "./run.js";
import { openStore } from "./store.js";
import { allResults } from "./submission.js";

/** `trueline resume RUN`: goes on with a run that failed, was cancelled or was interrupted. */
export const resumeCommand = defineCommand({
  name: "resume",
  arguments: "<run>",
  summary: "go on with a run that failed, was cancelled or was interrupted",
  details: "The run's frozen plan is continued: finished stages are kept, others go on from their newest checkpoint.\n"
    + `Neither an edited spec nor a server that lost its history makes a difference.\n${endingHelp}`,
  examples: ["trueline resume hh-ppo-max-20260101-k3v9qz"],
  options: { json: jsonOption, slots: slotsOption },
  async run({ arguments: [id = ""], options, output }) {
    const store = openStore();
    const run = await observeNow(store, id);
    if (isWorkedOn(run)) {
      throw new TruelineError("TL_RUN_ALIVE", `Run ${id} is ${run.state}.`, { hint: `Follow it with: trueline watch ${id}` });
    }
    if (run.state === "finished" && await allResults(store, run.plan) !== undefined) {
      output.note(`Run ${id} is finished; there is nothing to go on with.`);
      return conclude(run, store, output, options.json);
    }
    return goOn(store, run, output, options);
  },
});

/** A run as it is now, asked of the store and of the server that is there. */
export async function observeNow(store: Store, id: string): Promise<ObservedRun> {
  const record = await store.runs.read(id);
  const recorded = await observe(store, record, undefined);
  // Of a run that has ended the ledger says all: no server need be there.
  if (hasEnded(recorded)) return recorded;
  const pipelines = await presentPipelines(store.home);
  try {
    return await observe(store, record, pipelines);
  } finally {
    await pipelines?.close();
  }
}
