import { mkdtemp, stat } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../foundation/canonical.js";
import { makeFolder } from "../foundation/files.js";
import { guarded, namesIn } from "./files.js";
import { isAlive, thisProcess } from "./processes.js";

/** After this time nobody of another host, or of a name that tells no process, is believed to work in it. */
const abandonedMilliseconds = 7 * 24 * 3600_000;

/** Names may be read by others: of the host only what tells it apart. */
const hostMark = (host: string): string => sha256(host).slice(0, 8);

/** An empty directory `scratch/s-<process>-<start>-<host>-…` on the store's own disk, which says whose it is. */
export async function makeScratch(home: string): Promise<string> {
  const { pid, started, host } = thisProcess;
  const folder = join(home, "scratch");
  return guarded(async () => {
    await makeFolder(folder);
    return mkdtemp(join(folder, `s-${pid}-${started}-${hostMark(host)}-`));
  });
}

/** Scratch directories that nobody works in: their process is dead and they are not young, or nothing is known but that they are very old. */
export async function leftoverScratch(home: string, now: number, youngMilliseconds: number): Promise<string[]> {
  const folder = join(home, "scratch");
  const leftover: string[] = [];
  for (const name of await guarded(() => namesIn(folder))) {
    const age = await stat(join(folder, name)).then(({ mtimeMs }) => now - mtimeMs, () => 0);
    const [, pid, started = "", mark] = /^s-(\d+)-(\d*)-([0-9a-f]{8})-/.exec(name) ?? [];
    const isOurs = pid !== undefined && mark === hostMark(thisProcess.host);
    const isDead = isOurs && !isAlive({ pid: Number(pid), started, host: thisProcess.host });
    if (isDead ? age > youngMilliseconds : !isOurs && age > abandonedMilliseconds) leftover.push(join(folder, name));
  }
  return leftover;
}
