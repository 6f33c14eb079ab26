import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { eventsOf, outcomeOf } from "../outcome.js";
import type { Place } from "../place.js";
import { mustEqual, type Scenario } from "../scenario.js";
import { pretraining, training } from "../workload.js";

const spec = pretraining({ steps: 300, everySteps: 1 });
const hours = 3600_000;
/** How far the time of day is off, one after another. */
const offsets = [6 * hours, -12 * hours, 30 * 24 * hours, 0];
const clock = fileURLToPath(new URL("../clock.mjs", import.meta.url));

export const clockJumps: Scenario = {
  name: "clock-jumps",
  does: "Sets the time of day of a run's processes by hours and days, forth and back, while a second run waits for the same result.",
  holds: "Neither lock nor claim of a live process is taken for dead: one attempt, the second run reuses its result, ledgers are whole, same bytes.",
  async run(ground) {
    const expected = await ground.expected(training);
    const place = await ground.place("clock");
    const offset = join(place.directory, "offset");
    await place.write("spec.json", spec);
    await writeFile(offset, "0");
    const shifted = { environment: { NODE_OPTIONS: `--import ${clock}`, TRUELINE_CHAOS_CLOCK: offset } };
    const first = place.startWith(shifted, "run", "spec.json");
    await place.untilCheckpoint(4);
    const [run] = await place.runs();
    const second = place.startWith(shifted, "run", "spec.json");
    const waiting = await place.until("the second run", async () => (await place.runs()).find((id) => id !== run));
    for (const milliseconds of offsets) {
      await writeFile(offset, String(milliseconds));
      const before = await saves(place, run!);
      // The second run looks once a second who has the claim.
      await sleep(1500);
      await place.until("the training going on", async () => await saves(place, run!) >= before + 10);
    }
    mustEqual(await eventsOf(place, run!, "run-finished"), [], "ends of the run before the last jump");
    await Promise.all([place.finish(first), place.finish(second)]);
    for (const id of [run!, waiting]) mustEqual(await outcomeOf(place, id), expected, `what ${id} left`);
    const attempts = [...await eventsOf(place, run!, "stage-started"), ...await eventsOf(place, waiting, "stage-started")].filter(({ stage }) => stage === "base");
    mustEqual(attempts.length, 1, "attempts at the stage that both runs need");
    return { jumps: offsets.length, "furthest, in hours": Math.max(...offsets) / hours, attempts: attempts.length };
  },
};

async function saves(place: Place, run: string): Promise<number> {
  return (await eventsOf(place, run, "checkpoint-saved")).length;
}
