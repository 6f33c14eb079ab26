import { open, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TruelineError } from "../foundation/errors.js";
import { makeFolder } from "../foundation/files.js";
import { guarded, readIfThere, systemCode } from "./files.js";
import { isAlive, processSchema, thisProcess } from "./processes.js";

const waitMilliseconds = 30_000;
/** Holders on other hosts can't be asked whether they live; work under a lock takes milliseconds. */
const staleMilliseconds = 60_000;

/** Does `work` while no other process, and nothing else in this one, holds the lock at `path`. */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  await guarded(() => acquire(path));
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function acquire(path: string): Promise<void> {
  await makeFolder(dirname(path));
  const deadline = Date.now() + waitMilliseconds;
  while (!await tryCreate(path)) {
    if (await isStale(path)) await breakLock(path);
    else if (Date.now() > deadline) {
      throw new TruelineError("TL_STORE_LOCKED", `${path} has been held for ${waitMilliseconds / 1000} s`, {
        hint: "If no Trueline process runs, remove that file.",
      });
    } else await sleep(5 + Math.random() * 20);
  }
}

async function tryCreate(path: string): Promise<boolean> {
  try {
    const handle = await open(path, "wx");
    await handle.writeFile(JSON.stringify(thisProcess));
    await handle.close();
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

async function isStale(path: string): Promise<boolean> {
  const age = await stat(path).then((found) => Date.now() - found.mtimeMs, () => undefined);
  if (age === undefined) return false;
  if (age > staleMilliseconds) return true;
  const holder = processSchema.safeParse(parse(await readIfThere(path)));
  return holder.success && !isAlive(holder.data);
}

/** Takes a dead holder's lock away. Only who creates the second file may, so nobody removes the lock of the next holder. */
async function breakLock(path: string): Promise<void> {
  const guard = `${path}.break`;
  if (!await tryCreate(guard)) {
    if (await isStale(guard)) await rm(guard, { force: true });
    await sleep(20);
    return;
  }
  try {
    if (await isStale(path)) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

function parse(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
