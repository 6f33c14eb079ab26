import { TruelineError } from "../foundation/errors.js";
import { hasEnded } from "../temporal/observe.js";
import { defineCommand, jsonOption } from "./command.js";
import { by, isAbandoned, reasonOption, withRun } from "./order.js";

/** `trueline cancel RUN`: asks a run to save a checkpoint and end. */
export const cancelCommand = defineCommand({
  name: "cancel",
  arguments: "<run>",
  summary: "ask a run to save a checkpoint and end",
  examples: ["trueline cancel hh-ppo-max-20260101-k3v9qz", "trueline cancel hh-ppo-max-20260101-k3v9qz --reason \"wrong data\""],
  options: { json: jsonOption, reason: reasonOption },
  async run({ arguments: [id = ""], options, output }) {
    return withRun(id, async ({ store, run, pipelines }) => {
      // A paused run has nothing to save; still, somebody may want it off the list of those that wait.
      if (hasEnded(run) && run.state !== "paused") throw new TruelineError("TL_RUN_OVER", `Run ${id} is ${run.state}.`);
      await store.ledger.append(id, { type: "cancel-requested", ...by(options.reason) });
      // With nobody left to save anything, the workflow has nobody to end it: the ledger alone says so.
      if (run.state === "paused" || isAbandoned(run)) await store.ledger.append(id, { type: "run-cancelled" });
      await pipelines?.cancel(id);
      if (options.json) output.json({ id, cancelled: true });
      else output.data(`Run ${id} is being cancelled. Go on with it later: trueline resume ${id}`);
      return 0;
    });
  },
});
