import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { guarded, namesIn, readIfThere, writeWhole } from "./files.js";
import { isAlive, processSchema, thisProcess } from "./processes.js";
import { parseJson } from "./records.js";

const beatMilliseconds = 10_000;
/** A worker of another host whose record is older than this has gone without a word. */
const silentMilliseconds = 60_000;

const offerSchema = z.strictObject({
  process: processSchema, startedAt: z.string(), queues: z.array(z.string()), cpus: z.number().int(), gpus: z.number().int(), gpuMemory: z.number().optional(),
  /** The command that brought it along and takes it away again; absent: it stays until somebody stops it. */
  command: processSchema.optional(),
});

/** What a worker offers to the runs of a home. */
export type WorkerOffer = z.output<typeof offerSchema>;

/** Whether a worker is there for more than a command that has died: it is not about to go. */
export function stays({ command }: Pick<WorkerOffer, "command">): boolean {
  return command === undefined || isAlive(command);
}

/**
 * The workers of a home, by their own word: which GPUs they have is nothing that a Temporal server knows, and it forgets those that
 * are busy. One record a worker, renewed while it lives.
 */
export class Workers {
  constructor(private readonly home: string) {}

  /** Says what this process offers, until the returned function is called. */
  async register(offer: Omit<WorkerOffer, "process" | "startedAt">): Promise<() => Promise<void>> {
    const text = JSON.stringify({ process: thisProcess, startedAt: new Date().toISOString(), ...offer } satisfies WorkerOffer);
    const path = this.path(`${thisProcess.host}-${thisProcess.pid}.json`);
    const write = () => guarded(() => writeWhole(path, text));
    await write();
    // A disk that is full for a while makes no worker unable to work.
    const beat = setInterval(() => void write().catch(() => undefined), beatMilliseconds);
    beat.unref();
    return async () => {
      clearInterval(beat);
      await rm(path, { force: true });
    };
  }

  /** Workers that live, as far as this host can tell, by host and process. */
  async present(): Promise<WorkerOffer[]> {
    const names = (await guarded(() => namesIn(this.path()))).filter((name) => name.endsWith(".json")).sort();
    const found = await Promise.all(names.map(async (name) => ({ name, offer: await this.read(name) })));
    const ages = await this.ages(found.some(({ offer }) => offer !== undefined && offer.process.host !== thisProcess.host));
    const live: WorkerOffer[] = [];
    for (const { name, offer } of found) {
      if (offer === undefined || !isAlive(offer.process)) continue;
      if (offer.process.host === thisProcess.host || await ages(name) < silentMilliseconds) live.push(offer);
    }
    return live;
  }

  /** Removes the records of dead processes of this host. */
  async sweep(): Promise<void> {
    for (const name of await guarded(() => namesIn(this.path()))) {
      const offer = await this.read(name);
      if (offer !== undefined && !isAlive(offer.process)) await rm(this.path(name), { force: true });
    }
  }

  /** Ages of records in milliseconds. The disk's clock stamps them, so it is asked for its time, too: those of two hosts may differ. */
  private async ages(areNeeded: boolean): Promise<(name: string) => Promise<number>> {
    if (!areNeeded) return () => Promise.resolve(0);
    const probe = this.path(`.now-${thisProcess.host}-${thisProcess.pid}`);
    const now = await writeWhole(probe, "").then(async () => (await stat(probe)).mtimeMs, () => Date.now());
    await rm(probe, { force: true }).catch(() => undefined);
    return (name) => stat(this.path(name)).then(({ mtimeMs }) => now - mtimeMs, () => Infinity);
  }

  private async read(name: string): Promise<WorkerOffer | undefined> {
    const text = await guarded(() => readIfThere(this.path(name)));
    return text === undefined ? undefined : offerSchema.safeParse(parseJson(text)).data;
  }

  private path(...names: string[]): string {
    return join(this.home, "workers", ...names);
  }
}
