import { gpuQueue, type Gpus } from "../schemas/task-queue.js";
import type { ProcessIdentity } from "./processes.js";
import type { Store } from "./store.js";
import type { WorkerOffer } from "./workers.js";

/** Whether a worker takes stages that need GPUs, and has those. Where memory is asked for, one that does not say how much it has does not fit. */
export function servesGpus(offer: WorkerOffer, need: Gpus): boolean {
  const isEnough = offer.gpus >= need.gpus && (need.gpuMemory === undefined || (offer.gpuMemory ?? 0) >= need.gpuMemory);
  return isEnough && offer.queues.includes(gpuQueue(offer));
}

/**
 * The queue of the workers that a stage should go to: of those that fit such as are idle, then those with the fewest GPUs, then with
 * the least memory. Undefined where none fits. Pure.
 */
export function choosePool(need: Gpus, offers: readonly WorkerOffer[], isBusy: (worker: ProcessIdentity) => boolean): string | undefined {
  const fitting = offers.filter((offer) => servesGpus(offer, need)).map((offer) => ({ offer, busy: Number(isBusy(offer.process)) }));
  fitting.sort((a, b) => a.busy - b.busy || a.offer.gpus - b.offer.gpus || (a.offer.gpuMemory ?? 0) - (b.offer.gpuMemory ?? 0));
  return fitting[0] && gpuQueue(fitting[0].offer);
}

/** Decides, when a stage is to start, on the queue of which workers it goes; undefined while none fits. */
export async function place(store: Store, need: Gpus): Promise<string | undefined> {
  const [offers, working] = [await store.workers.present(), await workersAtWork(store)];
  return choosePool(need, offers, ({ pid, host }) => working.has(`${pid}@${host}`));
}

/** What each worker does now: run and stage by `pid@host`. A worker holds the claims of what it computes. */
export async function workersAtWork(store: Store): Promise<ReadonlyMap<string, { readonly run: string; readonly stage: string }>> {
  const holders = await Promise.all((await store.claims.keys()).map((key) => store.claims.holder(key)));
  return new Map(holders.flatMap((claim) => claim === undefined ? [] : [[`${claim.holder.pid}@${claim.holder.host}`, { run: claim.run, stage: claim.stage }]]));
}
