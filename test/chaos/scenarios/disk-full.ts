import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Running } from "../../e2e/program.js";
import { mountHome } from "../mounts.js";
import { mustLoseNoCheckpoint, outcomeOf } from "../outcome.js";
import type { Place } from "../place.js";
import { must, mustEqual, type Ground, type Scenario } from "../scenario.js";
import { training } from "../workload.js";

const megabytes = 64;

export const diskFull: Scenario = {
  name: "disk-full",
  does: "Fills the disk of the home in the middle of training: with Temporal's database on it until the command has ended, and with the server elsewhere until the fault is said.",
  holds: "The command ends with TL_STORE_FULL, and resumed on a freed disk the run ends with the same bytes; with the server elsewhere it goes on by itself once the disk is freed.",
  async run(ground) {
    const expected = await ground.expected(training);
    const alone = await ground.place("disk");
    const ended = await withFullDisk(alone, await begun(alone), ({ ended }) => ended);
    must(ended.code === 1 && /^TL_STORE_FULL /m.test(lastLines(ended.stderr)), `the command ended with ${ended.code}, and said: ${lastLines(ended.stderr)}`);
    const [run] = await alone.runs();
    await alone.finish(alone.start("resume", run!));
    mustEqual(await outcomeOf(alone, run!), expected, "what the resumed run left");
    await mustLoseNoCheckpoint(alone, run!);

    const { place, seconds } = await withServerElsewhere(ground);
    const [other] = await place.runs();
    mustEqual(await outcomeOf(place, other!), expected, "what the run that went on by itself left");
    await mustLoseNoCheckpoint(place, other!);
    return { "seconds until the command ended": Math.round(ended.fullSeconds), "seconds until it was said, the server elsewhere": Math.round(seconds), "resumed by hand": 1 };
  },
};

async function withServerElsewhere(ground: Ground): Promise<{ readonly place: Place; readonly seconds: number }> {
  const elsewhere = await ground.place("server");
  const address = await elsewhere.startServer();
  const place = await ground.place("disk-alone");
  const command = await begun(place, { TEMPORAL_ADDRESS: address });
  const said = await withFullDisk(place, command, async ({ child, ended }) => {
    await new Promise<void>((resolve, reject) => {
      let text = "";
      child.stderr!.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        if (/is tried again: TL_STORE_FULL /.test(text)) resolve();
      });
      void ended.then(({ code }) => reject(new Error(`the command ended with ${code} and never said that the stage is tried again: ${lastLines(text)}`)));
    });
    return {};
  });
  await place.finish(command);
  return { place, seconds: said.fullSeconds };
}

/** A run in the middle of its training, its home a small disk. */
async function begun(place: Place, environment: NodeJS.ProcessEnv = {}): Promise<Running> {
  mountHome(place, megabytes);
  await place.write("spec.json", training);
  const command = place.startWith({ environment }, "run", "spec.json");
  await place.untilCheckpoint(20);
  return command;
}

/** Keeps the disk full until `end` has come, then frees it; gives what `end` gave and how long that took. */
async function withFullDisk<Result extends object>(place: Place, command: Running, end: (command: Running) => Promise<Result>): Promise<Result & { readonly fullSeconds: number }> {
  const filler = join(place.home, "filler");
  const began = performance.now();
  let isOver = false;
  const over = end(command).finally(() => { isOver = true; });
  // Again and again: checkpoints that are pruned free some space.
  for (; !isOver; await sleep(20)) fill(filler);
  rmSync(filler);
  return { ...await over, fullSeconds: (performance.now() - began) / 1000 };
}

function fill(path: string): void {
  try {
    writeFileSync(path, "", { flag: "a" });
    for (const bytes of [1 << 20, 1 << 12, 1]) appendUntilFull(path, Buffer.alloc(bytes));
  } catch {
    // Not even room for its name.
  }
}

function appendUntilFull(path: string, bytes: Uint8Array): void {
  try {
    for (;;) appendFileSync(path, bytes);
  } catch {
    // Full, as it was meant to be.
  }
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-4).join("\n");
}
