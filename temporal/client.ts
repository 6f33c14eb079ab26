import { Client, Connection, isGrpcServiceError, ServiceError, WorkflowNotFoundError, type WorkflowExecutionDescription, type WorkflowHandle } from "@temporalio/client";
import { ApplicationFailure, defaultPayloadConverter, WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from "@temporalio/common";
import { hostname } from "node:os";
import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { lookSignal } from "../schemas/control.js";
import type { Failure } from "../schemas/events.js";
import { progressSchema, type Progress } from "../schemas/progress.js";
import { cpuQueue } from "../schemas/task-queue.js";
import type { PipelineInput } from "../schemas/task.js";
import { isAlive, processSchema } from "../store/processes.js";
import { unreachable, type TemporalAddress } from "./connection.js";
import { packing } from "./packing.js";

type PendingActivity = NonNullable<WorkflowExecutionDescription["raw"]["pendingActivities"]>[number];

/** Temporal's TaskQueueType: workflow tasks and activities of a queue are asked for apart. */
const taskQueueTypes = [1, 2] as const;

/** Temporal's PendingActivityState of an activity that a worker has. */
const started = 2;

/** A worker polls at least this often; one that has not is gone. */
const pollMilliseconds = 75_000;

export interface OpenStage {
  readonly name: string;
  /** Whether a worker has it, else it waits in its queue. */
  readonly started: boolean;
  readonly attempt: number;
  readonly progress?: Progress;
  /** Of the attempt before, where that one failed. */
  readonly failure?: Failure;
}

/** A run's workflow as the server sees it. */
export interface WorkflowView {
  readonly open: boolean;
  readonly status: string;
  readonly stages: readonly OpenStage[];
  /** What it ended with, where it failed. */
  readonly failure?: Failure;
}

const commandSchema = z.strictObject({ home: z.string(), process: processSchema });
/** A command that follows a run to its end, and the home of both. */
export type RunCommand = z.output<typeof commandSchema>;

/** The pipeline workflows of a server: one a run, its id the run's. */
export class Pipelines {
  private constructor(private readonly connection: Connection, private readonly client: Client, private readonly namespace: string) {}

  /** Errors: TL_TEMPORAL_UNAVAILABLE. */
  static async connect(address: TemporalAddress): Promise<Pipelines> {
    const { options, namespace } = address;
    try {
      const connection = await Connection.connect({ ...options, connectTimeout: "10 seconds" });
      return new Pipelines(connection, new Client({ connection, namespace, dataConverter: { payloadCodecs: [packing] } }), namespace);
    } catch (cause) {
      throw unreachable(address, cause);
    }
  }

  /**
   * Starts an attempt at a run. An execution that an earlier attempt left open, its workers gone, is ended first. `command`: who brings a worker along for it, if
   * it is not left to workers that stay.
   */
  async start(input: PipelineInput, command?: RunCommand): Promise<void> {
    await this.client.workflow.start("pipeline", {
      workflowId: input.run, taskQueue: cpuQueue, args: [input], ...(command !== undefined && { memo: { command } }),
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.TERMINATE_EXISTING,
    });
  }

  /** Undefined when the server knows no such workflow (any more). */
  async view(run: string): Promise<WorkflowView | undefined> {
    try {
      const handle = this.client.workflow.getHandle(run);
      const view = viewOf(await handle.describe());
      return view.status === "FAILED" ? { ...view, failure: await failureOf(handle) } : view;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw unanswered(run, error);
    }
  }

  /** Runs of a home whose workflow is open and whose command, of this host, has died. */
  async orphans(home: string): Promise<string[]> {
    const found: string[] = [];
    for await (const { workflowId, memo } of this.client.workflow.list({ query: "WorkflowType = 'pipeline' AND ExecutionStatus = 'Running'" })) {
      const command = commandSchema.safeParse(memo?.["command"]).data;
      if (command?.home === home && !isAlive(command.process)) found.push(workflowId);
    }
    return found;
  }

  /** Ends a run's workflow as it is. All that it knows is in the store, from which a new attempt goes on. */
  async leave(run: string): Promise<void> {
    await unlessGone(run, this.client.workflow.getHandle(run).terminate("its command has died"));
  }

  /** Asks a run's workflow to end, where there is one: it may have ended upon the ledger's word already. */
  async cancel(run: string): Promise<void> {
    await unlessGone(run, this.client.workflow.getHandle(run).cancel());
  }

  /**
   * Says that a worker, `pid@host`, has died: the stages of a run that it had go to the next one at once, where the server
   * alone would wait for its silence. Nothing happens to stages of others.
   */
  async giveUp(run: string, worker: string): Promise<void> {
    const { raw } = await this.client.workflow.getHandle(run).describe();
    for (const { activityId, lastWorkerIdentity, state } of raw.pendingActivities ?? []) {
      if (lastWorkerIdentity !== worker || state !== started || !activityId) continue;
      const failure = ApplicationFailure.create({ type: "TL_STAGE_LOST", message: `Worker ${worker} has died.`, nonRetryable: false });
      await this.client.activity.fail({ workflowId: run, activityId }, failure);
    }
  }

  /** Has a run's workflow look into the ledger, where there is one; else whoever goes on with the run will look. */
  async nudge(run: string): Promise<void> {
    await unlessGone(run, this.client.workflow.getHandle(run).signal(lookSignal));
  }

  /** The workers that listen on a queue, as far as can be known. */
  async listeners(taskQueue: string): Promise<string[]> {
    const described = await Promise.all(taskQueueTypes.map((taskQueueType) =>
      this.connection.workflowService.describeTaskQueue({ namespace: this.namespace, taskQueue: { name: taskQueue }, taskQueueType })));
    return listening(described.flatMap(({ pollers }) => pollers ?? []).map(({ identity, lastAccessTime }) => ({
      identity: identity ?? "", seen: Number(lastAccessTime?.seconds ?? 0) * 1000,
    })), Date.now());
  }

  async close(): Promise<void> {
    await this.connection.close();
  }
}

/** Errors: TL_TEMPORAL_UNAVAILABLE. */
async function unlessGone(run: string, request: Promise<unknown>): Promise<void> {
  await request.catch((error: unknown) => {
    if (!(error instanceof WorkflowNotFoundError)) throw unanswered(run, error);
  });
}

/** The error behind a request about a run that the server did not answer, or the error itself. */
function unanswered(run: string, error: unknown): unknown {
  const cause = error instanceof ServiceError ? error.cause : error;
  if (!isGrpcServiceError(cause)) return error;
  return new TruelineError("TL_TEMPORAL_UNAVAILABLE", `The Temporal server answers no more: ${cause.details || cause.message}`, {
    hint: `Once it is there again: trueline resume ${run}`, cause: error,
  });
}

function viewOf(description: WorkflowExecutionDescription): WorkflowView {
  const pending = description.raw.pendingActivities ?? [];
  return {
    open: description.status.name === "RUNNING",
    status: description.status.name,
    stages: pending.map((activity) => {
      const payload = activity.heartbeatDetails?.payloads?.[0];
      // A beat of another version must not stop people from watching.
      const progress = payload && progressSchema.safeParse(defaultPayloadConverter.fromPayload(payload)).data;
      return {
        name: activity.activityId ?? "", started: activity.state === started, attempt: activity.attempt ?? 1, ...(progress && { progress }),
        ...(activity.lastFailure && { failure: lastFailureOf(activity.lastFailure) }),
      };
    }),
  };
}

/** What a failed workflow ended with: the innermost failure has the code. */
async function failureOf(handle: WorkflowHandle): Promise<Failure> {
  try {
    await handle.result();
  } catch (error) {
    let cause = error;
    while (cause instanceof Error && cause.cause instanceof Error && !(cause instanceof ApplicationFailure)) ({ cause } = cause);
    if (cause instanceof ApplicationFailure) return { code: cause.type ?? "TL_INTERNAL", message: cause.message };
    return { code: "TL_INTERNAL", message: String(cause) };
  }
  return { code: "TL_INTERNAL", message: "The workflow failed without saying why." };
}

/** The failure of an activity's attempt; its hint is the first of its details. */
function lastFailureOf({ message, applicationFailureInfo: info }: NonNullable<PendingActivity["lastFailure"]>): Failure {
  const [payload] = info?.details?.payloads ?? [];
  const hint: unknown = payload && defaultPayloadConverter.fromPayload(payload);
  return { code: info?.type || "TL_STAGE_LOST", message: message ?? "", ...(typeof hint === "string" && { hint }) };
}

/**
 * The workers among a queue's pollers, of workflow tasks and activities alike: one whose slots are all taken asks for no more
 * activities, but goes on asking for workflow tasks. Those of this host count while their process lives, whatever the clock says.
 * Times in milliseconds.
 */
export function listening(pollers: readonly { readonly identity: string; readonly seen: number }[], now: number): string[] {
  const present = pollers.filter(({ identity, seen }) => identity !== "" && (lives(identity) ?? now - seen < pollMilliseconds));
  return [...new Set(present.map(({ identity }) => identity))];
}

/** Worker identities are `pid@host`; of other hosts nothing is known. */
function lives(identity: string): boolean | undefined {
  const [, pid, host] = /^(\d+)@(.*)$/.exec(identity) ?? [];
  return pid === undefined || host !== hostname() ? undefined : isAlive({ pid: Number(pid), host, started: "" });
}
