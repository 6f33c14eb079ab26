import { mountHome, remount } from "../mounts.js";
import { outcomeOf } from "../outcome.js";
import { must, mustEqual, type Scenario } from "../scenario.js";
import { training } from "../workload.js";


export const readOnly: Scenario = {
  name: "read-only",
  does: "Makes the store read-only in the middle of training, the server being elsewhere, and writable again.",
  holds: "TL_STORE_DENIED is said at once and nothing is tried again; after that a resume ends with the same bytes.",
  async run(ground) {
    const expected = await ground.expected(training);
    const elsewhere = await ground.place("server");
    const address = await elsewhere.startServer();
    const place = await ground.place("read-only");
    mountHome(place, 64);
    await place.write("spec.json", training);
    const at = { environment: { TEMPORAL_ADDRESS: address } };
    const worker = place.startWith(at, "worker");
    await place.finish(place.startWith(at, "submit", "spec.json"));
    const [run] = await place.runs();
    await place.untilCheckpoint(20);
    await place.until("a moment in which nothing is written", async () => remount(place, "ro"));
    const began = Date.now();
    const watched = await place.startWith(at, "watch", run!).ended;
    const seconds = (Date.now() - began) / 1000;
    must(watched.code === 1 && /TL_STORE_DENIED/.test(watched.stdout + watched.stderr), `TL_STORE_DENIED was not said: ${watched.stdout} ${watched.stderr}`);
    must(remount(place, "rw"), "the store could not be made writable again");
    await place.finish(place.startWith(at, "resume", run!));
    mustEqual(await outcomeOf(place, run!), expected, "what the run left");
    // Scratch could not be removed either: the next worker's start does that.
    worker.child.kill("SIGTERM");
    await place.finish(worker);
    const next = place.startWith(at, "worker");
    await new Promise((resolve) => { next.child.stdout!.once("data", resolve); });
    return { "seconds until it was said": Math.round(seconds) };
  },
};
