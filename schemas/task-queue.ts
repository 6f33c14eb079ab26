/** Queues that workers serve; a machine with GPUs serves both. */
export const taskQueues = { cpu: "trueline-cpu", gpu: "trueline-gpu" } as const;

/** The queue on which a stage with these needs waits for a worker. */
export function taskQueueFor(resources: { readonly gpus: number }): string {
  return resources.gpus > 0 ? taskQueues.gpu : taskQueues.cpu;
}
