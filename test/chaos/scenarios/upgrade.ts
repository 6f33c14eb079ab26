import { cp, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { version } from "../../../foundation/version.js";
import { program } from "../../e2e/program.js";
import { eventsOf, mustLoseNoCheckpoint, outcomeOf } from "../outcome.js";
import type { Place } from "../place.js";
import { must, mustEqual, type Scenario } from "../scenario.js";
import { training } from "../workload.js";

const next = "99.0.0";

export const upgrade: Scenario = {
  name: "upgrade",
  does: "Drains a worker with SIGTERM in the middle of a stage and puts one of another version in its place, the run being on its way.",
  holds: "The stage goes on from the drained worker's checkpoint, the workflow replays, the ledger names both versions and says what differs.",
  async run(ground) {
    const expected = await ground.expected(training);
    const place = await ground.place("upgrade");
    await place.write("spec.json", training);
    const upgraded = await copyOfProgram(place);
    place.start("server");
    await place.until("a server", async () => place.processes("server").length > 0);
    const old = place.start("worker");
    await place.until("a run", async () => (await place.run("submit", "spec.json")).code === 0);
    const [run] = await place.runs();
    await place.untilCheckpoint(20);
    old.child.kill("SIGTERM");
    await place.finish(old);
    const drained = (await eventsOf(place, run!, "stage-stopped")).at(-1);
    mustEqual(drained?.cause, "worker-shutdown", "why the stage stopped");
    place.startWith({ program: upgraded }, "worker");
    await place.finish(place.start("watch", run!));
    const starts = (await eventsOf(place, run!, "stage-started")).filter(({ stage }) => stage === "base");
    mustEqual(starts.map(({ environment }) => environment?.versions["trueline"]), [version, next], "versions that the ledger names");
    mustEqual(starts[1]?.resumedFrom, drained?.checkpoint, "the step that the new worker went on from");
    must(starts[1]?.differs?.includes("trueline") === true, "the ledger does not say that the version differs");
    mustEqual(await outcomeOf(place, run!), expected, "what the run left");
    await mustLoseNoCheckpoint(place, run!);
    return { from: version, to: next, "drained at step": drained?.checkpoint ?? 0 };
  },
};

/** The built program under another version; gives its entry. */
async function copyOfProgram(place: Place): Promise<string> {
  const root = join(dirname(program), "..", "..");
  const copy = join(place.directory, "program");
  await cp(join(root, "dist"), join(copy, "dist"), { recursive: true });
  await cp(join(root, "data"), join(copy, "data"), { recursive: true });
  await symlink(join(root, "node_modules"), join(copy, "node_modules"));
  const description = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as object;
  await writeFile(join(copy, "package.json"), JSON.stringify({ ...description, version: next }));
  return join(copy, "dist", "cli", "main.js");
}
