import { observe, presentPipelines } from "../temporal/observe.js";
import { defineCommand, jsonOption } from "./command.js";
import { follow } from "./follow.js";
import { conclude, endingHelp } from "./run.js";
import { openStore } from "./store.js";

/** `trueline watch RUN`: follows a run to its end; leaving it leaves the run alone. */
export const watchCommand = defineCommand({
  name: "watch",
  arguments: "<run>",
  summary: "follow a run to its end",
  details: `Ctrl-C stops the watching, not the run.\n${endingHelp}`,
  examples: ["trueline watch hh-ppo-max-20260101-k3v9qz"],
  options: { json: jsonOption },
  async run({ arguments: [id = ""], options, output }) {
    const store = openStore();
    const record = await store.runs.read(id);
    const pipelines = await presentPipelines(store.home);
    try {
      const run = pipelines === undefined ? await observe(store, record, undefined) : await follow(store, id, pipelines, output);
      return conclude(run, store, output, options.json);
    } finally {
      await pipelines?.close();
    }
  },
});
