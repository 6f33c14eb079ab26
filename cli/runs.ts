import { observe, presentPipelines } from "../temporal/observe.js";
import { defineCommand, jsonOption } from "./command.js";
import { table } from "./output.js";
import { openStore } from "./store.js";

/** `trueline runs`: every run of the store, newest first. */
export const runsCommand = defineCommand({
  name: "runs",
  summary: "list runs, newest first",
  examples: ["trueline runs", "trueline runs --json"],
  options: { json: jsonOption },
  async run({ options, output }) {
    const store = openStore();
    const pipelines = await presentPipelines(store.home).catch(() => undefined);
    try {
      const runs = await Promise.all((await store.runs.list()).map((record) => observe(store, record, pipelines)));
      if (options.json) {
        output.json(runs.map(({ id, name, state, submittedAt, endedAt, attempts }) => ({ id, name, state, submittedAt, endedAt, attempts })));
        return 0;
      }
      if (runs.length === 0) output.note(`There are no runs in ${store.home}.`);
      else output.data(table(["run", "state", "submitted", "stages"], runs.map(({ id, state, submittedAt, stages }) => [
        id, state, submittedAt.slice(0, 16).replace("T", " "),
        `${stages.filter((stage) => stage.state === "finished" || stage.state === "reused").length}/${stages.length}`,
      ])));
      return 0;
    } finally {
      await pipelines?.close();
    }
  },
});
