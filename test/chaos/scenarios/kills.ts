import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../../../foundation/random.js";
import type { LedgerEntry } from "../../../schemas/events.js";
import type { Running } from "../../e2e/program.js";
import { scratchOf, untilMoment, writingIn, type End } from "../moments.js";
import { mustLoseNoCheckpoint, outcomeOf } from "../outcome.js";
import type { Place } from "../place.js";
import { signal, type Role } from "../processes.js";
import { must, mustEqual, Skipped, type Ground, type Scenario } from "../scenario.js";
import { everyKind } from "../workload.js";

/** How many kills fall in each stage, spread over as many steps as it has, about. */
const shares: Readonly<Record<keyof typeof everyKind.stages, { readonly kills: number; readonly steps: number }>> = {
  bpe: { kills: 3, steps: 0 }, base: { kills: 8, steps: 60 }, sft: { kills: 10, steps: 100 }, rm: { kills: 8, steps: 110 },
  critic: { kills: 8, steps: 24 }, ppo: { kills: 10, steps: 40 }, eval: { kills: 3, steps: 0 },
};
const order = Object.keys(shares);
const wanted = Object.values(shares).reduce((sum, { kills: each }) => sum + each, 0);
/** What a command's own death leaves ends within this time, with a checkpoint saved, on the busiest machine. */
const graceSeconds = 180;
/** After a kill something must go on within this time, on the busiest machine. */
const patienceSeconds = 900;

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
    // A run that ends before all kills were done leaves the rest to another.
    for (let marks = marksOf(ground.random("marks")); marks.length > 0; runs++) {
      const place = await ground.place(`kills-${runs}`);
      await place.write("spec.json", everyKind);
      const began = performance.now();
      const struck = await runUnderFire(place, ground, ground.random("kills", runs), marks);
      seconds += (performance.now() - began) / 1000;
      const [run] = await place.runs();
      mustEqual(await outcomeOf(place, run!), expected, `what run ${runs + 1} left, killed ${struck.length} times`);
      await mustLoseNoCheckpoint(place, run!);
      recordRecoveries(await place.store.ledger.read(run!), struck, recoveries);
      done.push(...struck);
      ground.say(`run ${runs + 1}: killed ${struck.length} times, same bytes`);
      if (ground.left() <= 0 && done.length < wanted) throw new Skipped(`the time given with --minutes was up after ${done.length} of ${wanted} kills, all of which it survived`);
      marks = marks.slice(struck.length);
    }
    return {
      kills: done.length, runs, "by victim": count(done, "victim"), "by stage kind": count(done, "stage"), "by phase": count(done, "phase"),
      "seconds uninterrupted": round(alone), "seconds lost a kill": round((seconds - alone * runs) / done.length),
      "seconds to go on, median by victim": Object.fromEntries(Object.entries(recoveries).map(([victim, each]) => [victim, round(median(each))])),
      "seconds to go on, longest": round(Math.max(...Object.values(recoveries).flat())),
    };
  },
};

/** When a kill comes: once a stage has come so far. */
interface Mark {
  readonly stage: string;
  readonly step: number;
}

/** Kills in the order in which they come, at random steps of each stage. */
function marksOf(random: Random): Mark[] {
  return Object.entries(shares).flatMap(([stage, { kills: each, steps }]) =>
    Array.from({ length: each }, () => Math.floor(random.uniform() * steps)).sort((a, b) => a - b).map((step) => ({ stage, step })));
}

/** Runs the place's spec to its end, killing at each mark until it has ended or the time is up. */
async function runUnderFire(place: Place, ground: Ground, random: Random, marks: readonly Mark[]): Promise<Kill[]> {
  const done: Kill[] = [];
  let command = place.start("run", "spec.json");
  let startedAt = Date.now();
  for (;;) {
    const ended = watch(command);
    const mark = ground.left() > 0 ? marks[done.length] : undefined;
    if (mark === undefined) await command.ended;
    else {
      // One kill in five comes while things are still being started.
      if (random.uniform() > 0.2) await untilGoingOn(place, { victim: "nobody", at: startedAt }, ended);
      await untilReached(place, mark, startedAt, ended);
      await untilMoment(place, random, ended);
    }
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
    startedAt = kill.at;
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

function watch(command: Running): End {
  const end: End = {};
  void command.ended.then(({ code, stderr }) => {
    end.code = code;
    end.words = stderr.trim().split("\n").slice(-3).join(" | ");
  });
  return end;
}

/** What was going on, as far as files tell: the kind of the furthest stage that has been begun, and what was being done. */
async function phaseOf(place: Place, before: readonly string[]): Promise<Pick<Kill, "stage" | "phase">> {
  const events = await eventsSoFar(place);
  const furthest = order.findLast((name) => events.some(({ event }) => "stage" in event && event.stage === name));
  const stage = Object.entries(everyKind.stages).find(([name]) => name === furthest)?.[1].kind ?? "none yet";
  switch (events.at(-1)?.event.type) {
    case undefined: case "run-submitted": case "run-resumed": return { stage, phase: "starting" };
    case "stage-started": case "checkpoint-saved": return { stage, phase: writingIn(before) };
    default: return { stage, phase: "between stages" };
  }
}

async function eventsSoFar(place: Place): Promise<LedgerEntry[]> {
  const [run] = await place.runs();
  return run === undefined ? [] : place.store.ledger.read(run);
}

/** Waits until the run has come to a mark, or the command has ended. A stage without checkpoints must have been begun again since `at`. */
async function untilReached(place: Place, { stage, step }: Mark, at: number, ended: End): Promise<void> {
  const isPast = (name: string) => order.indexOf(name) > order.indexOf(stage);
  await place.until(`step ${step} of ${stage}`, async () => ended.code !== undefined || stage === order[0] || (await eventsSoFar(place)).some(({ event, at: time }) => {
    switch (event.type) {
      case "stage-started": return isPast(event.stage) || (event.stage === stage && shares[stage as keyof typeof shares].steps === 0 && Date.parse(time) > at);
      case "checkpoint-saved": return event.stage === stage && event.step >= step;
      default: return false;
    }
  }));
}

/** Waits for an attempt's sign of life after a moment, or for the end of the command. */
async function untilGoingOn(place: Place, { victim, at }: { readonly victim: string; readonly at: number }, ended: End): Promise<void> {
  const deadline = performance.now() + patienceSeconds * 1000;
  while (ended.code === undefined) {
    if ((await eventsSoFar(place)).some((entry) => Date.parse(entry.at) > at && isProgress(entry))) return;
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
