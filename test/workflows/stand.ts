import { WorkflowFailedError } from "@temporalio/client";
import { ApplicationFailure, CancelledFailure } from "@temporalio/common";
import { Context } from "@temporalio/activity";
import { TestWorkflowEnvironment } from "@temporalio/testing";
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker, type WorkflowBundle } from "@temporalio/worker";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { sha256 } from "../../foundation/canonical.js";
import type { Plan } from "../../schemas/plan.js";
import { refuseStopped } from "../../activities/control.js";
import { tellBreach } from "../../activities/guards.js";
import { createControls } from "../../activities/index.js";
import { lookSignal } from "../../schemas/control.js";
import type { LedgerEvent } from "../../schemas/events.js";
import type { PipelineInput, StageEnd, StageTask } from "../../schemas/task.js";
import { orderedStop } from "../../store/orders.js";
import { gpuQueue } from "../../schemas/task-queue.js";
import { Store } from "../../store/store.js";
import { findBinary } from "../../temporal/binary.js";

const taskQueue = "trueline-cpu";

export function bundle(): Promise<WorkflowBundle> {
  return bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL("../../workflows/index.ts", import.meta.url)), logger: new DefaultLogger("ERROR"),
  });
}

/**
 * A Temporal server, a store, and a worker whose stages do what their kind says: `done`, `lasting` (done in 3 s), `broken`, `flaky`, `endless` (until it is
 * cancelled), `slow` (is endless the first time), `mended` (fails the first time), `curious` (asks before it goes on), `watched` (whose guard finds something).
 */
export class Stand {
  readonly log: string[] = [];
  private runs = 0;

  private constructor(
    readonly environment: TestWorkflowEnvironment, readonly store: Store, private readonly stop: () => Promise<void>,
  ) {}

  static async start(): Promise<Stand> {
    Runtime.install({ logger: new DefaultLogger("ERROR") });
    const path = await findBinary({ environment: process.env, say: () => undefined });
    const environment = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: "existing-path", path } } });
    const store = new Store(await mkdtemp(join(tmpdir(), "trueline-stand-")));
    const stand = new Stand(environment, store, async () => {
      worker.shutdown();
      await running;
      await environment.teardown();
      await rm(store.home, { recursive: true });
    });
    const worker = await Worker.create({
      connection: environment.nativeConnection, taskQueue, workflowBundle: await bundle(), maxHeartbeatThrottleInterval: "100 ms",
      activities: { ...stages(store, (entry) => stand.log.push(entry)), ...createControls(store) },
    });
    const running = worker.run();
    return stand;
  }

  /** Adds a worker for stages that need GPUs, which logs with its queue's name; gives how it ends. */
  async offerGpus(gpus: number): Promise<() => Promise<void>> {
    const queue = gpuQueue({ gpus });
    const worker = await Worker.create({
      connection: this.environment.nativeConnection, taskQueue: queue, activities: stages(this.store, (entry) => this.log.push(`${queue}: ${entry}`)),
    });
    const running = worker.run();
    const withdraw = await this.store.workers.register({ queues: [queue], cpus: 1, gpus });
    return async () => {
      await withdraw();
      worker.shutdown();
      await running;
    };
  }

  /** Starts an attempt at a run; a new run unless one is named. */
  async submit(plan: Plan, { run, ...limits }: Partial<PipelineInput> = {}) {
    const id = run ?? `run-${this.runs++}`;
    if (run !== undefined) await this.store.ledger.append(id, { type: "run-resumed", attempt: 2, actor: "me", found: "paused", versions: {} });
    return this.environment.client.workflow.start("pipeline", { workflowId: id, taskQueue, args: [{ run: id, plan, ...limits } satisfies PipelineInput] });
  }

  /** Gives an order as commands do: first the ledger, then the nudge. */
  async order(run: string, ...events: readonly LedgerEvent[]): Promise<void> {
    await this.store.ledger.append(run, ...events);
    await this.environment.client.workflow.getHandle(run).signal(lookSignal);
  }

  async events(run: string): Promise<LedgerEvent[]> {
    return (await this.store.ledger.read(run)).map(({ event }) => event);
  }

  /** Waits until the log has an entry, or the ledger of the run an event of that type. */
  async until(run: string, what: string): Promise<void> {
    for (let looks = 0; looks < 600; looks++) {
      if (this.log.includes(what) || (await this.events(run)).some(({ type }) => type === what)) return;
      await sleep(50);
    }
    throw new Error(`There was no "${what}", but ${this.log.join(", ")}`);
  }

  async end(): Promise<void> {
    await this.stop();
  }
}

/** What a workflow fails with. */
export async function failureOf(result: Promise<unknown>): Promise<unknown> {
  try {
    await result;
  } catch (error) {
    return error instanceof WorkflowFailedError ? error.cause : error;
  }
  throw new Error("it did not fail");
}

function stages(store: Store, say: (entry: string) => void) {
  const tries = new Map<string, number>();
  const stage = (work: (task: StageTask) => Promise<StageEnd | undefined>) => async (task: StageTask): Promise<StageEnd> => {
    const { run, stage: { name }, artifacts } = task;
    await refuseStopped(store, run);
    say(`${name} begins after ${Object.keys(artifacts).sort().join("+") || "nothing"}`);
    const end = await work(task).catch((error: unknown) => {
      say(`${name} fails`);
      throw error;
    }) ?? { artifact: sha256(name), reused: false };
    say(`${name} ${"artifact" in end ? "ends" : "gate" in end ? "asks" : `waits at ${end.rung}`}`);
    return end;
  };
  const endless = async ({ run, stage: { name } }: StageTask): Promise<never> => {
    const context = Context.current();
    while (!context.cancellationSignal.aborted) {
      context.heartbeat({});
      await sleep(50);
    }
    // Saving a checkpoint takes its time; the run must not be over before.
    await sleep(500);
    say(`${name} saved: ${orderedStop(await store.ledger.read(run), name)}`);
    throw new CancelledFailure("stopped");
  };
  const broken = (): never => {
    throw ApplicationFailure.create({ type: "TL_TRAIN_DIVERGED", message: "loss is NaN", nonRetryable: true, details: ["Lower the learning rate."] });
  };
  const tryOf = ({ run, stage: { name } }: StageTask): number => {
    const number = (tries.get(`${run}/${name}`) ?? 0) + 1;
    tries.set(`${run}/${name}`, number);
    return number;
  };
  return {
    done: stage(() => sleep(300, undefined)),
    lasting: stage(() => sleep(3000, undefined)),
    broken: stage(async () => broken()),
    flaky: stage(async () => {
      if (Context.current().info.attempt < 2) throw ApplicationFailure.create({ type: "TL_STORE_FULL", message: "no space" });
      return undefined;
    }),
    endless: stage(endless),
    mended: stage(async (task) => tryOf(task) === 1 ? broken() : undefined),
    slow: stage(async (task) => tryOf(task) === 1 ? endless(task) : undefined),
    watched: stage(async (task) => {
      await tellBreach(store, task, { guard: "kl", step: 140, metric: "objective/kl", value: 13, bound: "above 12", then: "note" });
      await sleep(3000);
      return undefined;
    }),
    // Waits at each rung, worth the length of its name, and is done when there is none any more.
    racing: stage(async ({ stage: { name }, rung }) => rung && { rung: rung.step, value: name.length }),
    curious: stage(async ({ stage: { name }, waived = [] }) => {
      const gate = `guard:${name}:kl:140`;
      return waived.includes(gate) ? undefined : { gate, question: "KL is 13 after step 140, above 12. Go on?" };
    }),
  };
}
