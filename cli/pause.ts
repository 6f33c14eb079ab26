import { ordersOf } from "../store/orders.js";
import { defineCommand, jsonOption } from "./command.js";
import { by, isAbandoned, order, reasonOption, refuseEnded, withRun } from "./order.js";

/** `trueline pause RUN`: asks a run to save its checkpoints and leave its worker free. */
export const pauseCommand = defineCommand({
  name: "pause",
  arguments: "<run>",
  summary: "ask a run to save its checkpoints and leave its worker free",
  details: "Nothing is kept in memory and no server need stay: a paused run lies in the store for as long as you like.\n"
    + "Whoever follows the run ends with exit code 6. `trueline unpause` goes on from the checkpoints.",
  examples: ["trueline pause hh-ppo-max-20260101-k3v9qz", "trueline pause hh-ppo-max-20260101-k3v9qz --reason \"the GPU is needed elsewhere\""],
  options: { json: jsonOption, reason: reasonOption },
  async run({ arguments: [id = ""], options, output }) {
    return withRun(id, async (target) => {
      const isAlone = isAbandoned(target.run);
      await order(target, (entries) => {
        refuseEnded(target.run, entries);
        const asked = ordersOf(entries).paused ? [] : [{ type: "pause-requested", ...by(options.reason) } as const];
        return isAlone ? [...asked, { type: "run-paused" }] : asked;
      });
      if (options.json) output.json({ id, paused: isAlone, asked: true });
      else output.data(`Run ${id} is ${isAlone ? "paused" : "being paused: the steps under way end, and checkpoints are saved"}. Go on with it later: trueline unpause ${id}`);
      return 0;
    });
  },
});
