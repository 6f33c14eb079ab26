import { setTimeout as sleep } from "node:timers/promises";
import { TruelineError } from "../foundation/errors.js";
import { storageFault } from "../foundation/storage-faults.js";
import { cpuQueue } from "../schemas/task-queue.js";
import type { PipelineInput } from "../schemas/task.js";
import { thisProcess } from "../store/processes.js";
import type { Store } from "../store/store.js";
import { stays } from "../store/workers.js";
import { prepareHome, startChildWorker, type ChildWorker } from "../temporal/child-worker.js";
import { Pipelines } from "../temporal/client.js";
import { enterAddress } from "../temporal/connection.js";
import { holdServer, leaveServer } from "../temporal/embedded.js";
import { hasEnded, type ObservedRun } from "../temporal/observe.js";
import { actor } from "./actor.js";
import { follow } from "./follow.js";
import type { Output } from "./output.js";

const workerStarts = 5;
/** Somewhat longer than the tries of a notification take. */
const tellMilliseconds = 7 * 60_000;

export interface Execution {
  readonly store: Store;
  readonly input: PipelineInput;
  readonly output: Output;
  readonly slots?: number;
}

/**
 * Executes an attempt at a recorded run: starts the server and the worker that are missing, submits, follows, and ends
 * what it started. `begin` records the attempt once the server is there. Ctrl-C cancels with a checkpoint, a second one leaves at once.
 */
export async function execute({ store, input, output, slots }: Execution, begin: () => Promise<void>): Promise<ObservedRun> {
  const { run: id } = input;
  await prepareHome(store.home);
  const address = await enterAddress(store.home, output.note);
  const pipelines = await Pipelines.connect(address);
  const server = address.embedded ? holdServer(store.home, output.note) : undefined;
  const crew = new Crew({ home: store.home, output, slots, giveUp: (worker) => pipelines.giveUp(id, worker) });
  const interrupts = onInterrupt(output, async () => {
    await store.ledger.append(id, { type: "cancel-requested", actor: actor() });
    await pipelines.cancel(id);
  });
  try {
    const isAlone = address.embedded || (await pipelines.listeners(cpuQueue)).length === 0;
    if (isAlone) {
      await leaveOrphans(store, pipelines, id, output);
      crew.start();
    }
    await begin();
    await pipelines.start(input, { home: store.home, process: thisProcess });
    const run = await Promise.race([follow(store, id, pipelines, output, isAlone ? [cpuQueue] : []), crew.lost]);
    interrupts.remove();
    if (hasEnded(run)) await told(id, pipelines, output);
    return run;
  } catch (error) {
    // What fails without the server says less than why there is none.
    throw server?.fault ?? error;
  } finally {
    interrupts.remove();
    await crew.stop();
    await server?.stop();
    await pipelines.close();
    await leaveServer(store.home);
  }
}

/**
 * Keeps the worker that this command brings along from going on, unasked and first of all, with runs whose commands were killed. Where a worker is that stays, it
 * has them already.
 */
async function leaveOrphans(store: Store, pipelines: Pipelines, own: string, output: Output): Promise<void> {
  if ((await store.workers.present()).some(stays)) return;
  for (const run of await pipelines.orphans(store.home)) {
    await pipelines.leave(run);
    if (run !== own) output.note(`Run ${run} was interrupted and is left as it is. Go on with it: trueline resume ${run}`);
  }
}

/** Receivers of notifications that do not answer are tried for some minutes after a run's end, which takes this run's worker. */
async function told(id: string, pipelines: Pipelines, output: Output): Promise<void> {
  const end = performance.now() + tellMilliseconds;
  let isSaid = false;
  while (performance.now() < end && (await pipelines.view(id))?.open) {
    if (!isSaid) output.note("The run has ended. Not all whom the spec wants told have answered yet; they are tried again. Ctrl-C leaves.");
    isSaid = true;
    await sleep(1000);
  }
}

interface CrewOptions {
  readonly home: string;
  readonly output: Output;
  readonly slots?: number;
  /** Tells the server that a worker is dead, so that another gets its stage. */
  readonly giveUp: (worker: string) => Promise<void>;
}

/** The worker that a run brings along; one that dies is replaced, and the server gives its stage to the next. */
class Crew {
  readonly lost: Promise<never>;
  private worker: ChildWorker | undefined;
  private starts = 0;
  private lose: (error: unknown) => void = () => undefined;

  constructor(private readonly options: CrewOptions) {
    this.lost = new Promise((_, reject) => { this.lose = reject; });
    this.lost.catch(() => undefined);
  }

  start(): void {
    const { home, slots } = this.options;
    this.starts += 1;
    const worker = this.worker = startChildWorker(home, slots);
    void worker.ended.then((words) => {
      if (words !== undefined) this.replace(worker, words);
    });
  }

  async stop(): Promise<void> {
    await this.worker?.stop();
  }

  private replace(worker: ChildWorker, words: string): void {
    if (this.starts >= workerStarts) {
      this.lose(new TruelineError("TL_STAGE_LOST", `The worker has ended ${this.starts} times, at last so:\n${words}`, { hint: "`trueline resume` continues from the newest checkpoint." }));
      return;
    }
    this.options.output.note(`${words}\nStarting another worker.`);
    try {
      this.start();
    } catch (error) {
      return this.lose(storageFault(error));
    }
    // If that fails, the server finds out by itself, a minute later.
    this.options.giveUp(worker.identity).catch(() => undefined);
  }
}

function onInterrupt(output: Output, cancel: () => Promise<void>): { remove(): void } {
  let asked = false;
  const handle = () => {
    if (asked) process.exit(1);
    asked = true;
    output.note("\nStopping: the stage under way ends its step and saves a checkpoint. Ctrl-C again leaves at once.");
    cancel().catch((error: unknown) => output.note(`The run could not be cancelled: ${String(error)}`));
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.on(signal, handle);
  return { remove: () => { for (const signal of signals) process.off(signal, handle); } };
}
