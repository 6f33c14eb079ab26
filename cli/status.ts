import { pinsOf } from "../store/pins.js";
import type { Store } from "../store/store.js";
import type { ObservedRun } from "../temporal/observe.js";
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
    const damaged = await damagedStages(store, run);
    if (options.json) output.json({ ...runJson(run, store), pins, damaged });
    else output.data([runText(run, store, output.colors), ...damaged.flatMap(({ stage, fault }) => [
      `${output.colors.red("damaged:")} the artifact of ${stage}: ${fault}. Make it again with: trueline resume ${id}`,
    ]), ...pins.map(pinText)].join("\n"));
    return 0;
  },
});

interface DamagedStage {
  readonly stage: string;
  readonly fault: string;
}

/** Stages whose artifact is no longer whole, as far as a look at its files' sizes tells; `verify` reads every byte. */
async function damagedStages(store: Store, { stages }: ObservedRun): Promise<DamagedStage[]> {
  const found = await Promise.all(stages.map(async ({ name, artifact, removed }): Promise<DamagedStage[]> => {
    const fault = artifact === undefined || removed !== undefined ? undefined : await store.artifacts.fault(artifact);
    return fault === undefined ? [] : [{ stage: name, fault }];
  }));
  return found.flat();
}
