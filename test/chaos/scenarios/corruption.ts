import { cp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mustBeClean } from "../leftovers.js";
import { eventsOf, outcomeOf } from "../outcome.js";
import type { Place } from "../place.js";
import { must, mustEqual, type Ground, type Scenario } from "../scenario.js";
import { pretraining } from "../workload.js";

const spec = pretraining({ steps: 60 });

/** What happens to the store of a run killed in its second stage, and what a resume must say of it. */
const damages: Readonly<Record<string, { readonly damage: (place: Place, run: string) => Promise<void>; readonly said: RegExp; readonly resumes?: number }>> = {
  "a byte of the newest checkpoint's weights flipped": { damage: async (place) => flip(await weights(place, 0)), said: /step \d+ could not be used: the bytes of .* have changed/ },
  "the newest checkpoint's weights truncated": { damage: async (place) => truncate(await weights(place, 0), 100), said: /could not be used: .* has 100 bytes, not \d+/ },
  "the newest checkpoint's weights deleted": { damage: async (place) => rm(await weights(place, 0)), said: /could not be used: .* is missing/ },
  "the newest checkpoint's metrics changed": {
    damage: async (place) => flip(join((await checkpoints(place))[0]!, "metrics.jsonl")), said: /could not be used: the bytes of metrics.jsonl have changed/,
  },
  "the newest checkpoint's manifest truncated": {
    damage: async (place) => truncate(join((await checkpoints(place))[0]!, "checkpoint.json"), 50), said: /could not be used: checkpoint.json/,
  },
  "every checkpoint damaged": {
    damage: async (place) => {
      for (const index of (await checkpoints(place)).keys()) await flip(await weights(place, index));
    },
    said: /step \d+ could not be used/,
  },
  "a byte of the artifact flipped that the stage reads": { damage: async (place, run) => flip(await tokenizer(place, run)), said: /TL_STORE_CORRUPT/, resumes: 2 },
  "the artifact truncated that the stage reads": { damage: async (place, run) => truncate(await tokenizer(place, run), 100), said: /its result is damaged: of its artifact \w+ tokenizer.json has 100 bytes, not \d+/ },
  "the result of the stage before changed": {
    damage: async (place, run) => flip(join(place.home, "results", `${await keyOf(place, run, "bpe")}.json`)), said: /its result is damaged: .* is not as it was written/,
  },
};

export const corruption: Scenario = {
  name: "corruption",
  does: "Kills a run and flips, truncates and deletes files of its checkpoints, of an artifact that is read and of a result, one way at a time.",
  holds: "The damage is found by its hash and said on the screen and in the ledger; the checkpoint before is used, or the stage made again; same bytes.",
  async run(ground) {
    const expected = await ground.expected(spec);
    const killed = await ground.place("killed");
    await killed.write("spec.json", spec);
    const command = killed.start("run", "spec.json");
    await killed.untilCheckpoint(40);
    killed.killAll();
    await command.ended;
    const [run] = await killed.runs();
    for (const [name, { damage, said, resumes = 1 }] of Object.entries(damages)) {
      const place = await copyOf(killed, ground);
      await damage(place, run!);
      const first = await place.run("resume", run!);
      must(said.test(first.stderr + first.stdout), `${name}: it was not said: ${first.stderr} ${first.stdout}`);
      mustEqual(first.code, resumes === 1 ? 0 : 1, `${name}: exit code of resume, which said ${first.stderr.trim().split("\n").slice(-3).join(" | ")}`);
      if (resumes > 1) await place.finish(place.start("resume", run!));
      mustEqual(await outcomeOf(place, run!), expected, `${name}: what the run left`);
      const told = await eventsOf(place, run!, name.includes("checkpoint") ? "checkpoint-skipped" : "stage-set-aside");
      must(told.length > 0, `${name}: the ledger does not tell`);
      await mustBeClean(place);
      await place.remove();
      ground.say(`${name}: found`);
    }
    await killed.remove();
    return { "kinds of damage": Object.keys(damages).length, found: Object.keys(damages).length };
  },
};

async function copyOf(from: Place, ground: Ground): Promise<Place> {
  const place = await ground.place("damaged");
  await cp(from.home, place.home, { recursive: true });
  await cp(join(from.directory, "spec.json"), join(place.directory, "spec.json"));
  return place;
}

/** Directories of the checkpoints, the newest first. */
async function checkpoints({ home }: Place): Promise<string[]> {
  const [key] = await readdir(join(home, "checkpoints"));
  const steps = (await readdir(join(home, "checkpoints", key!))).map(Number).sort((a, b) => b - a);
  must(steps.length === 2, `there are ${steps.length} checkpoints, not two`);
  return steps.map((step) => join(home, "checkpoints", key!, String(step)));
}

async function weights(place: Place, index: number): Promise<string> {
  const directory = (await checkpoints(place))[index]!;
  const names = (await readdir(directory, { recursive: true })).filter((name) => name.endsWith(".safetensors")).sort();
  return join(directory, names[0]!);
}

async function keyOf({ store }: Place, run: string, stage: string): Promise<string> {
  return (await store.runs.plan(run)).stages.find(({ name }) => name === stage)!.key;
}

async function tokenizer(place: Place, run: string): Promise<string> {
  const result = await place.store.results.find(await keyOf(place, run, "bpe"));
  return join(place.store.artifacts.directory(result!.artifact), "tokenizer.json");
}

/** Flips one bit in the middle of a file. */
async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.length >> 1]! ^= 1;
  await writeFile(path, bytes);
}
