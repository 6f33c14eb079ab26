import { Context } from "@temporalio/activity";
import { MockActivityEnvironment } from "@temporalio/testing";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { attemptStage } from "../../activities/stage.js";
import { plannedStageSchema } from "../../schemas/plan.js";
import { Store } from "../../store/store.js";

// An attempt at a stage in a process of its own, which saves a checkpoint after step 3 and then waits to be killed.

const [home, text] = process.argv.slice(2) as [string, string];
const store = new Store(home);
const stage = plannedStageSchema.parse(JSON.parse(text));
await new MockActivityEnvironment({ attempt: 1 }).run(() => attemptStage(store, Context.current(), { run: "r", stage, artifacts: {} }, "language-model", async (attempt) => {
  await attempt.started();
  const slot = await attempt.openCheckpoint(3);
  await writeFile(join(slot.directory, "state"), "3");
  await slot.publish();
  process.send?.("saved");
  return new Promise(() => undefined);
}));
