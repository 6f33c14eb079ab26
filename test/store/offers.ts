import { mkdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gpuQueue, type Gpus } from "../../schemas/task-queue.js";
import { thisProcess, type ProcessIdentity } from "../../store/processes.js";
import type { Store } from "../../store/store.js";
import type { WorkerOffer } from "../../store/workers.js";

/** Queues that a worker with these GPUs serves. */
export const queuesFor = (gpus: Gpus) => ["trueline-cpu", ...(gpus.gpus > 0 ? [gpuQueue(gpus)] : [])];
export const offer = (gpus: Gpus, process: ProcessIdentity = thisProcess): WorkerOffer => ({ process, startedAt: "2026-01-01T00:00:00.000Z", queues: queuesFor(gpus), cpus: 4, ...gpus });
/** A process of another host. */
export const elsewhere = (pid: number): ProcessIdentity => ({ pid, host: "elsewhere", started: "1" });

/** Leaves a worker's record in the home, as that worker would have some seconds ago. */
export async function recorded(store: Store, record: WorkerOffer, secondsAgo = 0): Promise<void> {
  await mkdir(join(store.home, "workers"), { recursive: true });
  const path = join(store.home, "workers", `${record.process.host}-${record.process.pid}.json`);
  await writeFile(path, JSON.stringify(record));
  const then = new Date(Date.now() - secondsAgo * 1000);
  await utimes(path, then, then);
}
