import type { Context } from "@temporalio/activity";
import { mkdir, mkdtemp } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { storageFault } from "../foundation/storage-faults.js";
import { version } from "../foundation/version.js";
import type { ArtifactMetadata } from "../schemas/artifact.js";
import type { Environment, LedgerEvent } from "../schemas/events.js";
import { filesOf } from "../schemas/plan.js";
import type { ArtifactType } from "../schemas/stages/table.js";
import { stageTaskSchema, type StageEnd, type StageOutcome, type StageQuestion, type StageRung, type StageTask } from "../schemas/task.js";
import type { Change } from "../schemas/guards.js";
import type { Checkpoint, Placing } from "../store/checkpoints.js";
import type { Claim } from "../store/claims.js";
import { orderedStop, type OrderedStop } from "../store/orders.js";
import type { Damage } from "../store/results.js";
import { standingOf } from "../store/standing.js";
import type { Store } from "../store/store.js";
import type { CheckpointSlot } from "../training/loop.js";
import { refuseStopped } from "./control.js";
import { coded, failed, stopCause, stopped } from "./ending.js";
import { judgeReused } from "./guards.js";
import { Pulse } from "./pulse.js";

const renewMilliseconds = 20_000;

export interface StoredSlot extends CheckpointSlot {
  publish(): Promise<Checkpoint>;
}

/** What an attempt has to work with; each stage kind's work makes an artifact's files out of it. */
export interface Attempt {
  readonly task: StageTask;
  readonly store: Store;
  readonly pulse: Pulse;
  readonly signal: AbortSignal;
  /** Directory on the store's disk, removed when the attempt ends. */
  readonly scratch: string;
  readonly resume?: Checkpoint;
  /** Tells the ledger that the attempt computes now, on what, and with which parameters other than planned. Once, before the first step. */
  readonly started: (environment?: Environment, overrides?: Change) => Promise<void>;
  readonly openCheckpoint: (step: number, placing?: Omit<Placing, "environment">) => Promise<StoredSlot>;
}

/** Fills `output` with an artifact's files and gives its metadata, or gives what has to be decided first: a person's question, or who goes on from a rung. */
export type StageWork = (attempt: Attempt, output: string) => Promise<ArtifactMetadata | StageQuestion | StageRung>;

/**
 * An attempt at a stage: reuse the key's result if there is one, else fence off earlier attempts, continue from the
 * newest checkpoint, do the work, publish. Every turn it takes is in the run's ledger.
 */
export async function attemptStage(
  store: Store, context: Context, input: unknown, output: ArtifactType, work: StageWork,
): Promise<StageEnd> {
  const task = stageTaskSchema.parse(input);
  await refuseStopped(store, task.run);
  const pulse = new Pulse(task.stage.name, (progress) => context.heartbeat(progress));
  let claim: Claim | undefined;
  try {
    const found = await reuseOrClaim(store, context, task, pulse);
    if ("artifact" in found) return await judgeReused(store, task, found.artifact) ?? found;
    claim = found;
    return await compute(store, context, task, pulse, claim, output, work);
  } catch (cause) {
    throw await ending(store, context, task, pulse, cause);
  } finally {
    pulse.stop();
    if (claim !== undefined) await store.claims.release(claim);
  }
}

/** The key's result, waited for while another run computes it; or the right to compute it. */
async function reuseOrClaim(store: Store, context: Context, { run, stage }: StageTask, pulse: Pulse): Promise<StageOutcome | Claim> {
  for (;;) {
    const result = await store.results.find(stage.key);
    if (result !== undefined) {
      // Gone between the look and the use: it is computed anew.
      if (!await store.artifacts.use(result.artifact)) continue;
      const { artifact, run: from, figures } = result;
      await store.ledger.append(run, { type: "stage-reused", stage: stage.name, key: stage.key, artifact, from, figures });
      return { artifact, reused: true };
    }
    const { granted, claim } = await store.claims.take(stage.key, { run, stage: stage.name, attempt: context.info.attempt });
    if (granted && await store.results.find(stage.key) === undefined) return claim;
    if (granted) {
      // Another run finished it between the look and the claim.
      await store.claims.release(claim);
      continue;
    }
    pulse.phase(`waiting for run ${claim.run}, which computes the same`);
    await sleep(1000, undefined, { signal: context.cancellationSignal });
  }
}

async function compute(
  store: Store, context: Context, task: StageTask, pulse: Pulse, claim: Claim, type: ArtifactType, work: StageWork,
): Promise<StageEnd> {
  const { run, stage } = task;
  const named = { stage: stage.name, key: stage.key };
  const began = performance.now();
  pulse.phase("looking for a checkpoint");
  const standing = await standingOf(store, stage.key, {
    deep: true,
    onSkip: (skipped) => store.ledger.append(run, { type: "checkpoint-skipped", ...named, ...skipped }),
  });
  if (standing.action !== "reuse" && standing.damage !== undefined) await setAsideDamaged(store, task, standing.damage);
  const resume = standing.action === "resume" ? standing.checkpoint : undefined;
  let environment: Environment | undefined;
  const started: Attempt["started"] = async (found, overrides = {}) => {
    environment = found;
    const differs = differences(found, resume?.environment);
    // An attempt that was given up while it loaded its models has nothing to announce.
    await store.claims.whileHeld(claim, () => store.ledger.append(run, {
      type: "stage-started", ...named, attempt: context.info.attempt, worker: { pid: process.pid, host: hostname() }, environment: found,
      versions: { trueline: version, node: process.versions.node }, inputs: inputDigests(task), ...(claim.before !== undefined && { before: claim.before }),
      ...(resume !== undefined && { resumedFrom: resume.step }), ...(differs.length > 0 && { differs }),
      ...(Object.keys(overrides).length > 0 && { overrides }),
    }));
  };
  const fence = watchFence(store, claim);
  const signal = AbortSignal.any([context.cancellationSignal, fence.signal]);
  return store.withScratch(async (scratch) => {
    const openCheckpoint: Attempt["openCheckpoint"] = async (step, placing) => {
      const directory = await mkdtemp(join(scratch, `checkpoint-${step}-`));
      return {
        directory,
        publish: async () => {
          const saved = await store.checkpoints.publish(claim, step, directory, { ...placing, environment });
          await store.ledger.append(run, { type: "checkpoint-saved", ...named, step, checkpoint: saved.digest, bytes: saved.bytes });
          return saved;
        },
      };
    };
    const output = join(scratch, "output");
    await mkdir(output);
    const end = await work({ task, store, pulse, signal, scratch, resume, started, openCheckpoint }, output);
    if ("gate" in end) return end;
    if ("rung" in end) {
      const { rung: step, value } = end;
      await store.ledger.append(run, { type: "stage-held", ...named, step, metric: task.rung?.metric ?? "", ...(value !== null && { value }) });
      return end;
    }
    pulse.phase("publishing");
    const artifact = await store.artifacts.publish(output, type, end);
    const seconds = (performance.now() - began) / 1000;
    const { figures } = end;
    await store.results.publish(claim, {
      version: 1, key: stage.key, artifact, type, kind: stage.kind, stage: stage.name, run, finishedAt: new Date().toISOString(), seconds, figures,
    });
    await store.ledger.append(run, { type: "stage-finished", ...named, artifact, seconds, figures });
    await store.checkpoints.remove(stage.key);
    return { artifact, reused: false };
  }).finally(fence.stop);
}

/** Moves a damaged artifact out of the way of the one that is made now, and tells the ledger of the damage. */
async function setAsideDamaged(store: Store, { run, stage }: StageTask, damage: Damage): Promise<void> {
  if (damage.of === "nothing") return;
  if (damage.of === "artifact") await store.artifacts.setAside(damage.artifact);
  await store.ledger.append(run, {
    type: "stage-set-aside", stage: stage.name, key: stage.key, ...(damage.of === "artifact" && { artifact: damage.artifact }),
    actor: `worker ${process.pid}@${hostname()}`, reason: damage.fault,
  });
}

/** Renews a claim while its attempt works, and tells by its signal when another attempt has taken over. */
function watchFence(store: Store, claim: Claim): { readonly signal: AbortSignal; readonly stop: () => void } {
  const controller = new AbortController();
  const timer = setInterval(() => {
    store.claims.renew(claim).catch((error: unknown) => {
      if (coded(error).code === "TL_STORE_SUPERSEDED") controller.abort(error);
    });
  }, renewMilliseconds);
  return { signal: controller.signal, stop: () => clearInterval(timer) };
}

/** Records how an attempt ended without a result, and gives what it throws. */
async function ending(store: Store, context: Context, { run, stage }: StageTask, pulse: Pulse, cause: unknown): Promise<Error> {
  const named = { stage: stage.name, key: stage.key };
  const error = coded(storageFault(cause));
  const record = async (event: LedgerEvent) => {
    // With a full disk the ledger can't be written either; the failure itself is what people must get to see.
    await store.ledger.append(run, event).catch((fault: unknown) => context.log.error("The ledger could not be written", { fault }));
  };
  if (context.cancellationSignal.aborted && (error.code === "TL_TRAIN_CANCELLED" || isAbort(cause))) {
    const why = stopCause(context.cancellationDetails, await orderedStopOf(store, run, stage.name));
    await record({ type: "stage-stopped", ...named, cause: why, checkpoint: pulse.checkpoint });
    return stopped(why);
  }
  const { code, message, hint } = error;
  await record({
    type: "stage-failed", ...named, attempt: context.info.attempt, failure: { code, message, hint }, retry: error.entry.retry,
  });
  return failed(error);
}

/** Without the ledger, which a full disk may keep from being read, all that is known is that it was to stop. */
async function orderedStopOf(store: Store, run: string, stage: string): Promise<OrderedStop> {
  return store.ledger.read(run).then((entries) => orderedStop(entries, stage), () => "cancelled");
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

/** Digests of what a stage reads, by input. */
function inputDigests({ stage, artifacts }: StageTask): Record<string, string[]> {
  return Object.fromEntries(Object.entries(stage.inputs).map(([name, input]) => {
    switch (input.from) {
      case "stage": return [name, [artifacts[input.stage]!]];
      case "directory": return [name, [input, ...input.under ?? []].map(({ digest }) => digest)];
      case "file": return [name, [input.digest]];
      case "scratch": return [name, [artifacts[input.tokenizer]!]];
      case "data": return [name, input.entries.flatMap((entry) => "stage" in entry ? [artifacts[entry.stage]!] : filesOf(entry).map(({ digest }) => digest))];
    }
  }));
}

/** Members of two environments that differ: then a resumed stage need not end with the same bytes. */
function differences(now: Environment | undefined, before: Environment | undefined): string[] {
  if (now === undefined || before === undefined) return [];
  const versions = [...new Set([...Object.keys(now.versions), ...Object.keys(before.versions)])];
  return [
    ...(["backend", "device", "threads"] as const).filter((name) => now[name] !== before[name]),
    ...versions.filter((name) => now.versions[name] !== before.versions[name]),
  ];
}
