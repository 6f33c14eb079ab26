import { textLike } from "./text.js";

/** The queue of workflows and of stages that take no GPU. */
export const cpuQueue = "trueline-cpu";

/** GPUs that a stage needs or a worker offers: how many, and the memory of each in bytes where it is said. */
export interface Gpus {
  readonly gpus: number;
  readonly gpuMemory?: number;
}

/** A size of memory in words for people. */
export const memorySchema = textLike(/^\d+(\.\d+)?(MB|GB)$/, "a number with MB or GB, such as \"80GB\"");

/** Bytes of a size such as "80GB". */
export function bytesOf(memory: string): number {
  return Number.parseFloat(memory) * (memory.endsWith("GB") ? 1e9 : 1e6);
}

/** A size in bytes as people write it: "80GB". */
function memoryText(bytes: number): string {
  return bytes >= 1e9 ? `${bytes / 1e9}GB` : `${bytes / 1e6}MB`;
}

/** What a stage's `resources` ask of a worker's GPUs. */
export function gpusOf({ gpus, memory }: { readonly gpus: number; readonly memory?: string }): Gpus {
  return { gpus, ...(memory !== undefined && { gpuMemory: bytesOf(memory) }) };
}

/**
 * The queue of workers that offer just these GPUs. A worker takes stages from one such queue alone, so that it does one at a time;
 * which queue's workers a stage goes to is decided when it is to start.
 */
export function gpuQueue({ gpus, gpuMemory }: Gpus): string {
  return `trueline-gpu-${gpus}${gpuMemory === undefined ? "" : `x${memoryText(gpuMemory)}`}`;
}

/** The queue on which a stage waits; where it needs GPUs, the one of workers that offer no more than it asks. */
export function taskQueueFor(resources: { readonly gpus: number; readonly memory?: string }): string {
  return resources.gpus > 0 ? gpuQueue(gpusOf(resources)) : cpuQueue;
}

/** GPUs in words: "8 GPUs with 80GB each". */
export function gpusText({ gpus, gpuMemory }: Gpus): string {
  return `${gpus} ${gpus === 1 ? "GPU" : "GPUs"}${gpuMemory === undefined ? "" : ` with ${memoryText(gpuMemory)}${gpus === 1 ? "" : " each"}`}`;
}

/** The command that starts a worker with these GPUs. */
export function workerCommandFor({ gpus, gpuMemory }: Gpus): string {
  return `trueline worker${gpus === 0 ? "" : ` --gpus ${gpus}${gpuMemory === undefined ? "" : ` --gpu-memory ${memoryText(gpuMemory)}`}`}`;
}
