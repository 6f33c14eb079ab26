import { ApplicationFailure, CancelledFailure } from "@temporalio/common";
import { Context } from "@temporalio/activity";
import { TestWorkflowEnvironment } from "@temporalio/testing";
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker, type WorkflowBundle } from "@temporalio/worker";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { sha256 } from "../../foundation/canonical.js";
import type { Plan } from "../../schemas/plan.js";
import type { PipelineInput, RunEnd, StageOutcome, StageTask } from "../../schemas/task.js";
import { findBinary } from "../../temporal/binary.js";

const taskQueue = "trueline-cpu";

export function bundle(): Promise<WorkflowBundle> {
  return bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL("../../workflows/index.ts", import.meta.url)), logger: new DefaultLogger("ERROR"),
  });
}

/** A Temporal server and a worker whose stages do what their kind says: `done`, `broken`, `flaky`, `endless`. */
export class Stand {
  readonly log: string[] = [];
  readonly ends: RunEnd[] = [];
  private runs = 0;

  private constructor(
    readonly environment: TestWorkflowEnvironment, private worker: Worker, private readonly running: Promise<void>,
  ) {}

  static async start(): Promise<Stand> {
    Runtime.install({ logger: new DefaultLogger("ERROR") });
    const path = await findBinary({ environment: process.env, say: () => undefined });
    const environment = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: "existing-path", path } } });
    const stand: { current?: Stand } = {};
    const worker = await Worker.create({
      connection: environment.nativeConnection, taskQueue, workflowBundle: await bundle(), maxHeartbeatThrottleInterval: "100 ms",
      activities: activities((entry) => stand.current!.log.push(entry), (end) => stand.current!.ends.push(end)),
    });
    stand.current = new Stand(environment, worker, worker.run());
    return stand.current;
  }

  async submit(plan: Plan) {
    const input: PipelineInput = { run: `run-${this.runs++}`, plan };
    return this.environment.client.workflow.start("pipeline", { workflowId: input.run, taskQueue, args: [input] });
  }

  async until(entry: string): Promise<void> {
    for (let looks = 0; looks < 600 && !this.log.includes(entry); looks++) await sleep(50);
  }

  async end(): Promise<void> {
    this.worker.shutdown();
    await this.running;
    await this.environment.teardown();
  }
}

function activities(say: (entry: string) => void, close: (end: RunEnd) => void) {
  const outcome = ({ stage }: StageTask): StageOutcome => ({ artifact: sha256(stage.name), reused: false });
  const stage = (work: (task: StageTask) => Promise<void>) => async (task: StageTask) => {
    say(`${task.stage.name} begins after ${Object.keys(task.artifacts).sort().join("+") || "nothing"}`);
    await work(task);
    say(`${task.stage.name} ends`);
    return outcome(task);
  };
  return {
    done: stage(() => sleep(300)),
    broken: stage(async () => {
      throw ApplicationFailure.create({ type: "TL_TRAIN_DIVERGED", message: "loss is NaN", nonRetryable: true, details: ["Lower the learning rate."] });
    }),
    flaky: stage(async () => {
      if (Context.current().info.attempt < 2) throw ApplicationFailure.create({ type: "TL_STORE_FULL", message: "no space" });
    }),
    endless: stage(async ({ stage: { name } }) => {
      const context = Context.current();
      while (!context.cancellationSignal.aborted) {
        context.heartbeat({});
        await sleep(50);
      }
      // Saving a checkpoint takes its time; the run must not be over before.
      await sleep(500);
      say(`${name} saved`);
      throw new CancelledFailure("stopped");
    }),
    "close-run": async (end: RunEnd) => close(end),
  };
}
