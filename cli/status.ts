import { pinsOf } from "../store/pins.js";
import { defineCommand, jsonOption } from "./command.js";
import { pinText } from "./pin.js";
import { observeNow } from "./resume.js";
import { runJson, runText } from "./run-view.js";
import { openStore } from "./store.js";

/** `trueline status RUN`: where a run stands, and how to go on. */
export const statusCommand = defineCommand({
  name: "status",
  arguments: "<run>",
  summary: "say where a run stands",
  examples: ["trueline status hh-ppo-max-20260101-k3v9qz", "trueline status hh-ppo-max-20260101-k3v9qz --json"],
  options: { json: jsonOption },
  async run({ arguments: [id = ""], options, output }) {
    const store = openStore();
    const run = await observeNow(store, id);
    const pins = pinsOf(await store.ledger.read(id));
    if (options.json) output.json({ ...runJson(run, store), pins });
    else output.data([runText(run, store, output.colors), ...pins.map(pinText)].join("\n"));
    return 0;
  },
});
