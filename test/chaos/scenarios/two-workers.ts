import { readdirSync } from "node:fs";
import { eventsOf, mustLoseNoCheckpoint, outcomeOf } from "../outcome.js";
import type { Place } from "../place.js";
import { signal, type Found } from "../processes.js";
import { must, mustEqual, type Scenario } from "../scenario.js";
import { training } from "../workload.js";

export const twoWorkers: Scenario = {
  name: "two-workers",
  does: "Of two workers stops the one that has the stage until the other has taken it over, then lets it go on.",
  holds: "The first one is fenced off: it writes no checkpoint and no result any more, the ledger tells of it, and the bytes are the same.",
  async run(ground) {
    const expected = await ground.expected(training);
    const place = await ground.place("workers");
    await place.write("spec.json", training);
    place.start("server");
    await place.until("a server", async () => place.processes("server").length > 0);
    const workers = [place.start("worker", "--slots", "1"), place.start("worker", "--slots", "1")];
    await place.until("a run", async () => (await place.run("submit", "spec.json")).code === 0);
    const run = (await place.runs())[0]!;
    await place.untilCheckpoint(20);
    const first = (await starts(place, run))[0]!.worker.pid;
    must(workers.some(({ child }) => child.pid === first), "the stage is with neither worker");
    const frozen: Found[] = [{ pid: first, role: "command" }];
    await stopOutsideLocks(place, frozen);
    const stoppedAt = Date.now();
    await place.until("the other worker's attempt", async () => (await starts(place, run)).length > 1);
    const takeover = (Date.now() - stoppedAt) / 1000;
    const takenAt = Date.now();
    signal(frozen, "SIGCONT");
    const fenced = await place.until("the word of the fenced attempt", async () => fencedOf(place, run));
    const fencedAfter = (Date.now() - takenAt) / 1000;
    await place.finish(place.start("watch", run));
    const all = await starts(place, run);
    mustEqual(all.length, 2, "attempts");
    must(all[1]!.worker.pid !== first, "the stopped worker has taken the stage itself");
    mustEqual(await outcomeOf(place, run), expected, "what the run left");
    await mustLoseNoCheckpoint(place, run);
    return {
      "seconds until the other took over": Math.round(takeover), "the fenced attempt ended as": fenced,
      "seconds until it was fenced": Math.round(fencedAfter * 10) / 10,
    };
  },
};

/** Stops a worker when it holds no lock of the store: within one, others wait for it and say whose it is. */
async function stopOutsideLocks(place: Place, worker: readonly Found[]): Promise<void> {
  await place.until("a moment without a lock", () => {
    signal(worker, "SIGSTOP");
    const locks = readdirSync(place.home, { recursive: true }).map(String).filter((path) => path.endsWith(".lock"));
    if (locks.length === 0) return Promise.resolve(true);
    signal(worker, "SIGCONT");
    return Promise.resolve(false);
  });
}

async function starts(place: Place, run: string) {
  return (await eventsOf(place, run, "stage-started")).filter(({ stage }) => stage === "base");
}

async function fencedOf(place: Place, run: string): Promise<string | undefined> {
  const stopped = (await eventsOf(place, run, "stage-stopped")).at(-1);
  if (stopped !== undefined) return `stopped (${stopped.cause})`;
  return (await eventsOf(place, run, "stage-failed")).find(({ failure }) => failure.code === "TL_STORE_SUPERSEDED")?.failure.code;
}
