import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker, type WorkflowBundleOption } from "@temporalio/worker";
import { hostname } from "node:os";
import { fileURLToPath } from "node:url";
import { createActivities } from "../activities/index.js";
import { taskQueues } from "../schemas/task-queue.js";
import { Store } from "../store/store.js";
import { unreachable, type TemporalAddress } from "./connection.js";

export interface WorkerResources {
  readonly cpus: number;
  readonly gpus: number;
  /** Task queues; default: the common one, and the one for GPU stages where there are GPUs. */
  readonly queues?: readonly string[];
  /** Stages at once on each queue but the GPU one, which takes one a GPU; default: one for every four processors. */
  readonly slots?: number;
}

export interface RunningWorker {
  readonly queues: readonly string[];
  /** Ends taking stages; those under way save a checkpoint and are left to another attempt. */
  stop(): void;
  /** Settles when all is ended. */
  readonly done: Promise<void>;
}

/** Starts a worker for a home. Errors: TL_TEMPORAL_UNAVAILABLE. */
export async function startWorker(home: string, address: TemporalAddress, resources: WorkerResources): Promise<RunningWorker> {
  Runtime.install({ logger: new DefaultLogger("WARN"), shutdownSignals: [] });
  const store = new Store(home);
  await store.sweep();
  const connection = await NativeConnection.connect(address.options).catch((cause: unknown) => { throw unreachable(address, cause); });
  const queues = resources.queues ?? [taskQueues.cpu, ...(resources.gpus > 0 ? [taskQueues.gpu] : [])];
  const activities = createActivities({ store, stallSeconds: Number(process.env.TRUELINE_STALL_SECONDS ?? 3600) });
  const workflowBundle = await bundle();
  const workers = await Promise.all(queues.map((taskQueue) => Worker.create({
    connection, namespace: address.namespace, taskQueue, workflowBundle, activities,
    identity: `${process.pid}@${hostname()}`,
    maxConcurrentActivityTaskExecutions: slotsOf(taskQueue, resources),
    // The workflow tasks of a killed worker wait no longer than this for it before others get them.
    stickyQueueScheduleToStartTimeout: "2 seconds",
    // A kill loses at most the second since the last beat; the store's checkpoint is what counts.
    maxHeartbeatThrottleInterval: "1 second", defaultHeartbeatThrottleInterval: "1 second",
  })));
  let stopped = false;
  const stop = () => {
    if (stopped) return;
    stopped = true;
    for (const worker of workers) if (worker.getState() === "RUNNING") worker.shutdown();
  };
  const done = Promise.all(workers.map((worker) => worker.run())).then(() => undefined).finally(async () => {
    stop();
    await connection.close();
  });
  return { queues, stop, done };
}

function slotsOf(queue: string, { cpus, gpus, slots }: WorkerResources): number {
  return queue === taskQueues.gpu ? Math.max(1, gpus) : slots ?? Math.max(1, Math.floor(cpus / 4));
}

/** Built with the program; in a checkout's sources, made here. */
async function bundle(): Promise<WorkflowBundleOption> {
  if (!import.meta.url.endsWith(".ts")) return { codePath: fileURLToPath(new URL("../workflows/bundle.cjs", import.meta.url)) };
  const logger = new DefaultLogger("ERROR");
  return bundleWorkflowCode({ workflowsPath: fileURLToPath(new URL("../workflows/index.ts", import.meta.url)), logger });
}
