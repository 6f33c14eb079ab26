import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { eventsOf, mustLoseNoCheckpoint, outcomeOf } from "../outcome.js";
import type { Place } from "../place.js";
import { signal } from "../processes.js";
import { must, mustEqual, type Ground, type Scenario } from "../scenario.js";
import { training } from "../workload.js";

const pauseSeconds = 20;

export const serverLost: Scenario = {
  name: "server-lost",
  does: `Kills everything and removes Temporal's database; kills the server alone in the middle of a run; stops it for ${pauseSeconds} s.`,
  holds: "Resumed without the database, the run ends with the same bytes. With a killed or stopped server the run goes on by itself.",
  async run(ground) {
    const expected = await ground.expected(training);
    const lost = await begun(ground, "database");
    lost.place.killAll();
    await lost.command.ended;
    for (const end of ["", "-wal", "-shm"]) await rm(join(lost.place.home, `temporal.db${end}`), { force: true });
    await lost.place.finish(lost.place.start("resume", lost.run));
    mustEqual(await outcomeOf(lost.place, lost.run), expected, "what the run without a database left");
    await mustLoseNoCheckpoint(lost.place, lost.run);

    const killed = await begun(ground, "restart");
    const at = Date.now();
    signal(killed.place.processes("server"), "SIGKILL");
    await killed.place.until("the server started again", async () => killed.place.processes("server").length > 0);
    const restart = (Date.now() - at) / 1000;
    const attemptsKilled = await attemptsOf(killed);
    mustEqual(await outcomeOf(killed.place, killed.run), expected, "what the run with a killed server left");

    const stopped = await begun(ground, "stop");
    signal(stopped.place.processes("server"), "SIGSTOP");
    await sleep(pauseSeconds * 1000);
    signal(stopped.place.processes("server"), "SIGCONT");
    const attempts = await attemptsOf(stopped);
    mustEqual(await outcomeOf(stopped.place, stopped.run), expected, "what the run with a stopped server left");
    return { "seconds until a killed server was back": Math.round(restart * 10) / 10, "attempts with a killed server": attemptsKilled, "attempts with a stopped server": attempts };
  },
};

interface Begun {
  readonly place: Place;
  readonly run: string;
  readonly command: ReturnType<Place["start"]>;
}

/** A run in the middle of its training. */
async function begun(ground: Ground, name: string): Promise<Begun> {
  const place = await ground.place(name);
  await place.write("spec.json", training);
  const command = place.start("run", "spec.json");
  await place.untilCheckpoint(20);
  const [run] = await place.runs();
  must(run !== undefined, "a run that trains is not in the store");
  return { place, run, command };
}

/** How often the stage was begun, once the run has ended well. */
async function attemptsOf({ place, run, command }: Begun): Promise<number> {
  await place.finish(command);
  return (await eventsOf(place, run, "stage-started")).filter(({ stage }) => stage === "base").length;
}
