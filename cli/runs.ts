import { TruelineError } from "../foundation/errors.js";
import type { RunRecord } from "../store/runs.js";
import type { Store } from "../store/store.js";
import type { Pipelines } from "../temporal/client.js";
import { observe, presentPipelines, type ObservedRun } from "../temporal/observe.js";
import { defineCommand, jsonOption } from "./command.js";
import { table } from "./output.js";
import { openStore } from "./store.js";

/** A run whose files can't be read; what its record says, where that is whole. */
interface DamagedRun extends Partial<Pick<RunRecord, "name" | "submittedAt" | "attempts">> {
  readonly id: string;
  readonly state: "damaged";
  readonly damage: string;
}

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
      const { whole, damaged } = await store.runs.look();
      const runs = [
        ...await Promise.all(whole.map((record) => observeOrDamaged(store, record, pipelines))),
        ...damaged.map((id): DamagedRun => ({ id, state: "damaged", damage: `${store.runs.recordPath(id)} is not as it was written.` })),
      ];
      for (const run of runs) if (run.state === "damaged") output.note(`${output.noteColors.red("damaged:")} ${run.damage} \`trueline verify ${run.id}\` says what else is.`);
      if (options.json) {
        output.json(runs.map((run) => run.state === "damaged" ? run : jsonOf(run)));
        return 0;
      }
      if (runs.length === 0) output.note(`There are no runs in ${store.home}.`);
      else output.data(table(["run", "state", "submitted", "stages"], runs.map((run) => [
        run.id, run.state, (run.submittedAt ?? "").slice(0, 16).replace("T", " "), run.state === "damaged" ? "" : doneText(run),
      ])));
      return 0;
    } finally {
      await pipelines?.close();
    }
  },
});

const jsonOf = ({ id, name, state, submittedAt, endedAt, attempts }: ObservedRun) => ({ id, name, state, submittedAt, endedAt, attempts });

function doneText({ stages }: ObservedRun): string {
  return `${stages.filter(({ state }) => state === "finished" || state === "reused").length}/${stages.length}`;
}

/** One run that can't be read hides no other. */
async function observeOrDamaged(store: Store, record: RunRecord, pipelines: Pipelines | undefined): Promise<ObservedRun | DamagedRun> {
  try {
    return await observe(store, record, pipelines);
  } catch (error) {
    if (!(error instanceof TruelineError) || error.code !== "TL_STORE_CORRUPT") throw error;
    const { id, name, submittedAt, attempts } = record;
    return { id, name, state: "damaged", submittedAt, attempts, damage: error.message };
  }
}
