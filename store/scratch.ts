import { mkdtemp, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder, writerOf } from "../foundation/files.js";
import { systemCode } from "../foundation/storage-faults.js";
import { guarded, namesIn } from "./files.js";
import { isAlive, thisProcess } from "./processes.js";

const abandonedMilliseconds = 7 * 24 * 3600_000;

/** An empty directory `scratch/<process>-<start>-<host>-…` on the store's own disk, which says whose it is. */
export async function makeScratch(home: string): Promise<string> {
  const folder = join(home, "scratch");
  return guarded(async () => {
    await makeFolder(folder);
    return mkdtemp(join(folder, `${thisProcess.pid}-${thisProcess.started}-${thisProcess.host}-`));
  });
}

/** Scratch directories of dead processes; of those elsewhere, which can't be asked for, such as are a week old. */
export async function leftoverScratch(home: string, now: number): Promise<string[]> {
  const folder = join(home, "scratch");
  const leftover: string[] = [];
  for (const name of await guarded(() => namesIn(folder))) {
    const [, pid, started = "", host = ""] = /^(\d+)-(\d*)-(.+)-\w{6}$/.exec(name) ?? [];
    const age = await stat(join(folder, name)).then((found) => now - found.mtimeMs, () => 0);
    const isLeft = host === thisProcess.host ? !isAlive({ pid: Number(pid), started, host }) : age > abandonedMilliseconds;
    if (isLeft) leftover.push(join(folder, name));
  }
  return leftover;
}

/** Kept whole by other means, and large. */
const withoutParts = new Set(["artifacts", "scratch"]);

/** Halves of writes that processes of this host were killed at, anywhere in a home but among artifacts. */
export async function leftoverParts(home: string, folder = ""): Promise<string[]> {
  const entries = await guarded(() => readdir(join(home, folder), { withFileTypes: true }).catch((error: unknown) => {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }));
  const found = await Promise.all(entries.map(async (entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return withoutParts.has(path) ? [] : leftoverParts(home, path);
    const pid = writerOf(entry.name);
    return pid === undefined || isAlive({ pid, host: thisProcess.host, started: "" }) ? [] : [join(home, path)];
  }));
  return found.flat();
}
