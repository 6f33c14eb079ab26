import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { isOver, ordersOf } from "../store/orders.js";
import { observe } from "../temporal/observe.js";
import { goOn } from "./attempt.js";
import { defineCommand, jsonOption, type OptionDefinition } from "./command.js";
import { by, order, reasonOption, withRun } from "./order.js";
import { endingHelp, slotsOption } from "./run.js";

export const detachOption = {
  flags: "--detach", summary: "leave the run to the server and the workers that are there, and return at once", schema: z.boolean().default(false),
} satisfies OptionDefinition;

/** `trueline unpause RUN`: goes on with a paused run. */
export const unpauseCommand = defineCommand({
  name: "unpause",
  arguments: "<run>",
  summary: "go on with a paused run",
  details: "Continues from the checkpoints and follows the run, as `resume` does. A pause that was asked for and not carried out\n"
    + "yet is withdrawn.\n" + endingHelp,
  examples: ["trueline unpause hh-ppo-max-20260101-k3v9qz", "trueline unpause hh-ppo-max-20260101-k3v9qz --detach"],
  options: { json: jsonOption, reason: reasonOption, slots: slotsOption, detach: detachOption },
  async run({ arguments: [id = ""], options: { reason, ...options }, output }) {
    const unpause = { type: "unpause-requested", ...by(reason) } as const;
    const paused = await withRun(id, async (target) => {
      const withdrawn = await order(target, (entries) => !isOver(entries) && ordersOf(entries).paused ? [unpause] : []);
      if (withdrawn.length > 0) return undefined;
      return observe(target.store, await target.store.runs.read(id), undefined).then((run) => ({ run, store: target.store }));
    });
    if (paused === undefined) {
      if (options.json) output.json({ id, paused: false, withdrawn: true });
      else output.data(`The pause of run ${id} was not carried out yet; it is withdrawn.`);
      return 0;
    }
    if (paused.run.state !== "paused") {
      throw new TruelineError("TL_RUN_NOT_PAUSED", `Run ${id} is ${paused.run.state}, not paused.`, { hint: `\`trueline status ${id}\` says how to go on with it.` });
    }
    return goOn(paused.store, paused.run, output, { ...options, reason, orders: [unpause] });
  },
});
