import { TruelineError } from "../foundation/errors.js";
import { hasEnded, observe, presentPipelines } from "../temporal/observe.js";
import { actor } from "./actor.js";
import { defineCommand, jsonOption } from "./command.js";
import { openStore } from "./store.js";

/** `trueline cancel RUN`: asks a run to save a checkpoint and end. */
export const cancelCommand = defineCommand({
  name: "cancel",
  arguments: "<run>",
  summary: "ask a run to save a checkpoint and end",
  examples: ["trueline cancel hh-ppo-max-20260101-k3v9qz"],
  options: { json: jsonOption },
  async run({ arguments: [id = ""], options, output }) {
    const store = openStore();
    const record = await store.runs.read(id);
    const pipelines = await presentPipelines(store.home);
    try {
      const run = await observe(store, record, pipelines);
      const { state } = run;
      if (hasEnded(run)) {
        throw new TruelineError("TL_RUN_OVER", `Run ${id} is ${state}.`);
      }
      await store.ledger.append(id, { type: "cancel-requested", actor: actor() });
      // With no worker left to save anything, the workflow has nobody to end it: the ledger alone says so.
      if (state === "interrupted") await store.ledger.append(id, { type: "run-cancelled" });
      if ((await pipelines?.view(id))?.open) await pipelines?.cancel(id);
      if (options.json) output.json({ id, cancelled: true });
      else output.data(`Run ${id} is being cancelled. Go on with it later: trueline resume ${id}`);
      return 0;
    } finally {
      await pipelines?.close();
    }
  },
});
