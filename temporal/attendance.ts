import type { PlannedStage } from "../schemas/plan.js";
import { cpuQueue, gpusOf, gpusText, workerCommandFor } from "../schemas/task-queue.js";
import { servesGpus } from "../store/placement.js";
import type { WorkerOffer } from "../store/workers.js";
import type { Store } from "../store/store.js";
import type { Pipelines } from "./client.js";

type Needy = Pick<PlannedStage, "taskQueue" | "resources">;

/** Queues of stages that no worker here can do, as far as GPUs go. Needs no server. */
export async function queuesWithoutGpus(store: Store, stages: readonly Needy[]): Promise<string[]> {
  const needy = stages.filter(({ resources }) => resources.gpus > 0);
  const offers = needy.length === 0 ? [] : await store.workers.present();
  return [...new Set(needy.filter(({ resources }) => !offers.some((offer) => servesGpus(offer, gpusOf(resources)))).map(({ taskQueue }) => taskQueue))];
}

/** Queues of stages that nobody can do: for GPUs by the workers' own word, else by who asks the server for work. */
export async function unattendedQueues(store: Store, stages: readonly Needy[], pipelines: Pick<Pipelines, "listeners">): Promise<string[]> {
  // Workflows are on the common queue, whatever their stages need.
  const common = (await pipelines.listeners(cpuQueue)).length === 0 ? [cpuQueue] : [];
  return [...common, ...await queuesWithoutGpus(store, stages)];
}

/** Why stages on such a queue wait, and how that is mended. */
export function unattendedText(queue: string, stages: readonly Needy[], offers: readonly WorkerOffer[] = []): string {
  const resources = stages.find(({ taskQueue }) => taskQueue === queue)?.resources;
  if (queue === cpuQueue || resources === undefined) return "No worker is there: start one with `trueline worker`.";
  const need = gpusOf(resources);
  const there = offers.filter(({ gpus }) => gpus > 0).map((offer) => `${gpusText(offer)} on ${offer.process.host}`);
  return `No worker offers ${gpusText(need)}${there.length === 0 ? "" : ` (there: ${there.join(", ")})`}: start one with \`${workerCommandFor(need)}\`.`;
}
