import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../../../foundation/random.js";
import type { LedgerEntry } from "../../../schemas/events.js";
import type { Running } from "../../e2e/program.js";
import { mustLoseNoCheckpoint, outcomeOf } from "../outcome.js";
import type { Place } from "../place.js";
import { signal, type Role } from "../processes.js";
import { must, mustEqual, type Ground, type Scenario } from "../scenario.js";
import { everyKind } from "../workload.js";

const wanted = 50;
/** What a command's own death leaves has this long to save a checkpoint and end. */
const graceSeconds = 30;
/** After a kill something must go on within this time. */
const patienceSeconds = 120;

/** Who is killed, by the roles that are hit at once. */
const victims = {
  worker: ["worker"],
  backend: ["backend"],
  command: ["command"],
  keeper: ["keeper"],
  server: ["server"],
  "keeper and server": ["keeper", "server"],
  group: ["command", "worker", "backend"],
  everything: ["command", "worker", "backend", "keeper", "server", "other"],
} as const satisfies Record<string, readonly Role[]>;
type Victim = keyof typeof victims;

/** What the killer waits for: any moment, a checkpoint that is being written, an artifact that is being written. */
const moments = ["any", "checkpoint", "publish"] as const;

interface Kill {
  readonly victim: Victim;
  readonly stage: string;
  readonly phase: string;
  readonly at: number;
}

export const kills: Scenario = {
  name: "kills",
  does: `SIGKILLs a run of all stage kinds at random moments, ${wanted} times: worker, backend, command, server, process group, everything at once.`,
  holds: "Every file of every stage has the SHA-256 of an uninterrupted run, ledgers are whole, no process outlives its run, no saved step is lost.",
  async run(ground) {
    const start = performance.now();
    const expected = await ground.expected(everyKind);
    const alone = (performance.now() - start) / 1000;
    const done: Kill[] = [];
    const recoveries: Record<string, number[]> = {};
    let runs = 0;
    let seconds = 0;
    for (; done.length < wanted && (runs === 0 || ground.left() > 0); runs++) {
      const place = await ground.place(`kills-${runs}`);
      await place.write("spec.json", everyKind);
      const began = performance.now();
      const struck = await runUnderFire(place, ground, ground.random("kills", runs), wanted - done.length);
      seconds += (performance.now() - began) / 1000;
      const [run] = await place.runs();
      mustEqual(await outcomeOf(place, run!), expected, `what run ${runs + 1} left, killed ${struck.length} times`);
      await mustLoseNoCheckpoint(place, run!);
      recordRecoveries(await place.store.ledger.read(run!), struck, recoveries);
      done.push(...struck);
      ground.say(`run ${runs + 1}: killed ${struck.length} times, same bytes`);
    }
    return {
      kills: done.length, runs, "by victim": count(done, "victim"), "by stage": count(done, "stage"), "by phase": count(done, "phase"),
      "seconds uninterrupted": round(alone), "seconds lost a kill": round((seconds - alone * runs) / done.length),
      "seconds to go on, median by victim": Object.fromEntries(Object.entries(recoveries).map(([victim, each]) => [victim, round(median(each))])),
      "seconds to go on, longest": round(Math.max(...Object.values(recoveries).flat())),
    };
  },
};

/** Runs the place's spec to its end, killing until it has ended or `most` kills are done. */
async function runUnderFire(place: Place, ground: Ground, random: Random, most: number): Promise<Kill[]> {
  const done: Kill[] = [];
  let command = place.start("run", "spec.json");
  let startedAt = Date.now();
  for (;;) {
    const ended = watch(command);
    // One kill in five comes while things are still being started.
    if (done.length < most && random.uniform() > 0.2) await untilGoingOn(place, { victim: "nobody", at: startedAt }, ended);
    if (done.length < most) await untilMoment(place, random, ended);
    else await command.ended;
    if (ended.code !== undefined) {
      if (ended.code === 0) break;
      ground.say(`  the command ended with ${ended.code}: ${ended.words}`);
      [command, startedAt] = [await goOn(place), Date.now()];
      continue;
    }
    const before = scratchOf(place);
    const victim = random.pick(Object.keys(victims) as Victim[]);
    const targets = place.processes(...victims[victim]);
    if (targets.length === 0) continue;
    signal(targets, "SIGKILL");
    const kill = { victim, at: Date.now(), ...await phaseOf(place, before) };
    done.push(kill);
    ground.say(`  kill ${done.length}: ${victim}, ${kill.stage}, ${kill.phase}`);
    if (targets.some(({ role }) => role === "command")) {
      await command.ended;
      const orphans = await place.untilQuiet(graceSeconds);
      must(orphans.length === 0, `${graceSeconds} s after ${victim} was killed there are still ${orphans.map(({ role, pid }) => `${role} ${pid}`).join(", ")}`);
      [command, startedAt] = [await goOn(place), Date.now()];
    } else {
      await untilGoingOn(place, kill, ended);
    }
  }
  const orphans = await place.untilQuiet(graceSeconds);
  must(orphans.length === 0, `the run has ended, and there are still ${orphans.map(({ role, pid }) => `${role} ${pid}`).join(", ")}`);
  return done;
}

/** Resumes the run, or starts it where the kill came before there was one. */
async function goOn(place: Place): Promise<Running> {
  const [run] = await place.runs();
  return run === undefined ? place.start("run", "spec.json") : place.start("resume", run);
}

interface End {
  code?: number | null;
  words?: string;
}

function watch(command: Running): End {
  const end: End = {};
  void command.ended.then(({ code, stderr }) => {
    end.code = code;
    end.words = stderr.trim().split("\n").slice(-3).join(" | ");
  });
  return end;
}

async function untilMoment(place: Place, random: Random, ended: End): Promise<void> {
  const moment = random.pick(moments);
  const deadline = performance.now() + random.uniform() * 4000;
  const extra = random.uniform() * 20;
  const before = scratchOf(place);
  while (performance.now() < deadline && ended.code === undefined) {
    const now = scratchOf(place);
    if (moment === "checkpoint" && now.some((path) => /checkpoint-/.test(path) && !before.includes(path))) break;
    if (moment === "publish" && now.some((path) => /output\/./.test(path) && !before.includes(path))) break;
    await sleep(moment === "any" ? 50 : 2);
  }
  await sleep(extra);
}

/** Directories of checkpoints and files of artifacts that are being written. */
function scratchOf(place: Place): string[] {
  const folder = join(place.home, "scratch");
  return namesIn(folder).flatMap((attempt) => [
    ...namesIn(join(folder, attempt)).map((name) => join(attempt, name)),
    ...namesIn(join(folder, attempt, "output")).map((name) => join(attempt, "output", name)),
  ]);
}

function namesIn(directory: string): string[] {
  try {
    return existsSync(directory) ? readdirSync(directory) : [];
  } catch {
    return [];
  }
}

/** What was going on, as far as files tell. */
async function phaseOf(place: Place, before: readonly string[]): Promise<Pick<Kill, "stage" | "phase">> {
  const [run] = await place.runs();
  const last = run === undefined ? undefined : (await place.store.ledger.read(run)).at(-1)?.event;
  if (last === undefined) return { stage: "none", phase: "before the first stage" };
  const stage = "stage" in last && last.stage !== undefined ? last.stage : "none";
  const writing = before.some((path) => /output\/./.test(path)) ? "writing an artifact"
    : before.some((path) => /checkpoint-/.test(path)) ? "writing a checkpoint" : "training";
  return { stage, phase: last.type === "stage-started" || last.type === "checkpoint-saved" ? writing : "between stages" };
}

/** Waits for an attempt's sign of life after a moment, or for the end of the command. */
async function untilGoingOn(place: Place, { victim, at }: { readonly victim: string; readonly at: number }, ended: End): Promise<void> {
  const deadline = performance.now() + patienceSeconds * 1000;
  while (ended.code === undefined) {
    const [run] = await place.runs();
    const entries = run === undefined ? [] : await place.store.ledger.read(run);
    if (entries.some((entry) => Date.parse(entry.at) > at && isProgress(entry))) return;
    must(performance.now() < deadline, `nothing has happened for ${patienceSeconds} s since ${victim} was killed`);
    await sleep(100);
  }
}

function isProgress({ event: { type } }: LedgerEntry): boolean {
  return type === "stage-started" || type === "stage-finished" || type === "stage-reused" || type === "checkpoint-saved" || type === "run-finished";
}

/** Adds, for each kill, the seconds until something was started or finished again. */
function recordRecoveries(entries: readonly LedgerEntry[], struck: readonly Kill[], recoveries: Record<string, number[]>): void {
  for (const { victim, at } of struck) {
    const next = entries.find((entry) => Date.parse(entry.at) > at && isProgress(entry));
    if (next !== undefined) (recoveries[victim] ??= []).push((Date.parse(next.at) - at) / 1000);
  }
}

function count(of: readonly Kill[], by: "victim" | "stage" | "phase"): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kill of of) counts[kill[by]] = (counts[kill[by]] ?? 0) + 1;
  return counts;
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
