import { appendFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { mountHome } from "../mounts.js";
import { mustLoseNoCheckpoint, outcomeOf } from "../outcome.js";
import type { Place } from "../place.js";
import { must, mustEqual, type Scenario } from "../scenario.js";
import { pretraining } from "../workload.js";

const spec = pretraining({ steps: 300 });
const megabytes = 64;
const fullSeconds = 20;

export const diskFull: Scenario = {
  name: "disk-full",
  does: `Fills the disk that holds the home, Temporal's database too, in the middle of training, and frees it after ${fullSeconds} s.`,
  holds: "TL_STORE_FULL is said on the screen, nothing is damaged, and the run goes on, by itself or resumed, to the same bytes.",
  async run(ground) {
    const expected = await ground.expected(spec);
    const place = await ground.place("disk");
    mountHome(place, megabytes);
    await place.write("spec.json", spec);
    const command = place.start("run", "spec.json");
    await place.untilCheckpoint(20);
    const [run] = await place.runs();
    const until = performance.now() + fullSeconds * 1000;
    // Again and again: checkpoints that are pruned free some space.
    for (; performance.now() < until; await sleep(20)) fill(place);
    const free = statfsSync(place.home).bavail;
    rmSync(filler(place));
    const first = await command.ended;
    let resumes = 0;
    for (let { code } = first; code !== 0; resumes++) {
      must(resumes < 3, `the run did not go on: ${first.stderr.trim().split("\n").slice(-4).join(" | ")}`);
      ({ code } = await place.run("resume", run!));
    }
    must(/TL_STORE_FULL/.test(first.stderr), `TL_STORE_FULL was not said: ${first.stderr.trim().split("\n").slice(-6).join(" | ")}`);
    mustEqual(await outcomeOf(place, run!), expected, "what the run left");
    await mustLoseNoCheckpoint(place, run!);
    return { "seconds full": fullSeconds, "blocks free then": free, "resumed by hand": resumes };
  },
};

function filler(place: Place): string {
  return join(place.home, "filler");
}

function fill(place: Place): void {
  writeFileSync(filler(place), "", { flag: "a" });
  for (const bytes of [1 << 20, 1 << 12, 1]) {
    try {
      for (;;) appendFileSync(filler(place), Buffer.alloc(bytes));
    } catch {
      // Full, as it was meant to be.
    }
  }
}
