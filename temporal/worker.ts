import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker, type WorkflowBundleOption } from "@temporalio/worker";
import { hostname } from "node:os";
import { fileURLToPath } from "node:url";
import { createActivities } from "../activities/index.js";
import { cpuQueue, gpuQueue, type Gpus } from "../schemas/task-queue.js";
import type { ProcessIdentity } from "../store/processes.js";
import { Store } from "../store/store.js";
import { unreachable, type TemporalAddress } from "./connection.js";
import { workerLog } from "./child-worker.js";
import { packing } from "./packing.js";
import { quietLog } from "./worker-log.js";

export interface WorkerResources extends Gpus {
  readonly cpus: number;
  /** Stages that it takes: such as need GPUs, or such as need none; default: both, where it has GPUs. */
  readonly only?: "cpu" | "gpu";
  /** Stages without GPUs at once; default: one for every four processors. Of those with GPUs it does one at a time. */
  readonly slots?: number;
  /** The command that it came along with, if there is one. */
  readonly command?: ProcessIdentity;
  /** Whether it runs the modules that specs name; default: it does. */
  readonly modules?: boolean;
}

export interface RunningWorker {
  readonly queues: readonly string[];
  /** Ends taking stages; those under way save a checkpoint and are left to another attempt. */
  stop(): void;
  /** Settles when all is ended. */
  readonly done: Promise<void>;
}

/**
 * Starts a worker for a home. `say`: has it speak in plain lines, with Temporal's own words in a log of the home; default: all goes to stderr. Errors:
 * TL_TEMPORAL_UNAVAILABLE.
 */
export async function startWorker(home: string, address: TemporalAddress, resources: WorkerResources, say?: (text: string) => void): Promise<RunningWorker> {
  Runtime.install({ ...(say === undefined ? { logger: new DefaultLogger("WARN") } : quietLog(workerLog(home, process.pid), say)), shutdownSignals: [] });
  const store = new Store(home);
  await store.sweep();
  const connection = await NativeConnection.connect(address.options).catch((cause: unknown) => { throw unreachable(address, cause); });
  const queues = queuesOf(resources);
  const activities = createActivities({ store, stallSeconds: Number(process.env.TRUELINE_STALL_SECONDS ?? 3600), rights: { modules: resources.modules ?? true } });
  const workflowBundle = await bundle();
  const workers = await Promise.all(queues.map((taskQueue) => Worker.create({
    connection, namespace: address.namespace, taskQueue, workflowBundle, activities, dataConverter: { payloadCodecs: [packing] },
    identity: `${process.pid}@${hostname()}`,
    maxConcurrentActivityTaskExecutions: taskQueue === cpuQueue ? resources.slots ?? Math.max(1, Math.floor(resources.cpus / 4)) : 1,
    // The workflow tasks of a killed worker wait no longer than this for it before others get them.
    stickyQueueScheduleToStartTimeout: "2 seconds",
    // A kill loses at most the second since the last beat; the store's checkpoint is what counts.
    maxHeartbeatThrottleInterval: "1 second", defaultHeartbeatThrottleInterval: "1 second",
  })));
  const { cpus, gpus, gpuMemory, command } = resources;
  const withdraw = await store.workers.register({ queues, cpus, gpus, ...(gpuMemory !== undefined && { gpuMemory }), ...(command !== undefined && { command }) });
  let stopped = false;
  const stop = () => {
    if (stopped) return;
    stopped = true;
    // First of all, so that no more stages are sent here.
    void withdraw();
    for (const worker of workers) if (worker.getState() === "RUNNING") worker.shutdown();
  };
  const done = Promise.all(workers.map((worker) => worker.run())).then(() => undefined).finally(async () => {
    stop();
    await withdraw();
    await connection.close();
  });
  return { queues, stop, done };
}

function queuesOf(resources: WorkerResources): string[] {
  const { only, gpus } = resources;
  return [...(only === "gpu" ? [] : [cpuQueue]), ...(only === "cpu" || gpus === 0 ? [] : [gpuQueue(resources)])];
}

/** Built with the program; in a checkout's sources, made here. */
async function bundle(): Promise<WorkflowBundleOption> {
  if (!import.meta.url.endsWith(".ts")) return { codePath: fileURLToPath(new URL("../workflows/bundle.cjs", import.meta.url)) };
  const logger = new DefaultLogger("ERROR");
  return bundleWorkflowCode({ workflowsPath: fileURLToPath(new URL("../workflows/index.ts", import.meta.url)), logger });
}
