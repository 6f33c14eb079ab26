import { open, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TruelineError } from "../foundation/errors.js";
import { makeFolder } from "../foundation/files.js";
import { systemCode } from "../foundation/storage-faults.js";
import { guarded, readIfThere } from "./files.js";
import { isAlive, processSchema, thisProcess } from "./processes.js";
import { parseJson } from "./records.js";

const waitMilliseconds = 90_000;
/** Holders on other hosts can't be asked whether they live; work under a lock takes milliseconds. */
const silentMilliseconds = 60_000;
/** A lock without a holder's name was cut off while it was made, or is being made at this moment. */
const namelessMilliseconds = 5_000;

/** Does `work` while no other process, and nothing else in this one, holds the lock at `path`. */
export async function withLock<T>(path: string, work: () => Promise<T>, { patience = waitMilliseconds } = {}): Promise<T> {
  await guarded(() => acquire(path, patience));
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function acquire(path: string, patience: number): Promise<void> {
  await makeFolder(dirname(path));
  // Not the time of day: somebody may set it.
  const began = performance.now();
  const [lock, guard] = [new Observed(path), new Observed(`${path}.break`)];
  while (!await tryCreate(path)) {
    if (await lock.isStale()) await breakLock(lock, guard);
    else if (performance.now() - began > patience) {
      throw await stillHeld(path, patience);
    } else await sleep(5 + Math.random() * 20);
  }
}

/** A holder that stands still can go on at any moment, so its lock is never broken: somebody has to decide. */
async function stillHeld(path: string, patience: number): Promise<TruelineError> {
  const holder = processSchema.safeParse(parseJson(await readIfThere(path) ?? "")).data;
  const by = holder === undefined ? "" : ` by process ${holder.pid} of ${holder.host}`;
  return new TruelineError("TL_STORE_LOCKED", `${path} has been held for ${patience / 1000} s${by}`, {
    hint: holder?.host === thisProcess.host
      ? `It lives and stands still: let it go on (kill -CONT ${holder.pid}) or end it (kill -KILL ${holder.pid}), which frees the lock.`
      : "If that process has ended, remove the file.",
  });
}

async function tryCreate(path: string): Promise<boolean> {
  try {
    const handle = await open(path, "wx");
    try {
      await handle.writeFile(JSON.stringify(thisProcess));
    } catch (error) {
      // A full disk has room for the name alone: nobody would know whose it is.
      await rm(path, { force: true });
      throw error;
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

/**
 * A lock that others hold, as one waiter sees it. A holder of this host is asked for; of all others it counts how long the
 * waiter itself has seen the same holding, by a clock that nobody can set.
 */
class Observed {
  private holding: string | undefined;
  private since = 0;

  constructor(readonly path: string) {}

  /** Whether its holder has died, as far as can be known. */
  async isStale(): Promise<boolean> {
    const found = await stat(this.path).catch(() => undefined);
    const text = await readIfThere(this.path);
    if (found === undefined || text === undefined) return false;
    const holder = processSchema.safeParse(parseJson(text)).data;
    if (holder !== undefined && holder.host === thisProcess.host) return !isAlive(holder);
    const holding = `${found.ino} ${found.mtimeMs} ${text}`;
    if (holding !== this.holding) [this.holding, this.since] = [holding, performance.now()];
    return performance.now() - this.since > (holder === undefined ? namelessMilliseconds : silentMilliseconds);
  }
}

/** Takes a dead holder's lock away. Only who creates the second file may, so nobody removes the lock of the next holder. */
async function breakLock(lock: Observed, guard: Observed): Promise<void> {
  if (!await tryCreate(guard.path)) {
    if (await guard.isStale()) await rm(guard.path, { force: true });
    await sleep(20);
    return;
  }
  try {
    if (await lock.isStale()) await rm(lock.path, { force: true });
  } finally {
    await rm(guard.path, { force: true });
  }
}
