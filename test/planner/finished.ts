import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestOf } from "../../foundation/canonical.js";
import { artifactTypes } from "../../schemas/artifact.js";
import type { Plan, PlannedStage } from "../../schemas/plan.js";
import type { Store } from "../../store/store.js";

/** Puts a finished result of a stage into the store, as an attempt would. Gives the artifact. */
export async function finishStage(store: Store, stage: PlannedStage, run: string, seconds = 100, files: Readonly<Record<string, string>> = {}): Promise<string> {
  return store.withScratch(async (scratch) => {
    const directory = join(scratch, "output");
    await mkdir(directory);
    for (const [name, text] of Object.entries({ "metrics.jsonl": `{"step":1,"loss":${seconds}}\n`, key: stage.key, ...files })) await writeFile(join(directory, name), text);
    const type = artifactTypes.parse(stage.output);
    const artifact = await store.artifacts.publish(directory, type, { figures: {} });
    const { claim } = await store.claims.take(stage.key, { run, stage: stage.name, attempt: 1 });
    await store.results.publish(claim, {
      version: 1, key: stage.key, artifact, type, kind: stage.kind, stage: stage.name, run, finishedAt: "2026-01-02T03:04:05.678Z", seconds, figures: {},
    });
    await store.claims.release(claim);
    return artifact;
  });
}

/** Leaves a checkpoint of a stage. */
export async function saveCheckpoint(store: Store, stage: PlannedStage, run: string, step: number, files: Readonly<Record<string, string>> = {}): Promise<void> {
  const { claim } = await store.claims.take(stage.key, { run, stage: stage.name, attempt: 1 });
  await store.withScratch(async (scratch) => {
    const directory = join(scratch, "checkpoint");
    await mkdir(directory);
    for (const [name, text] of Object.entries({ "state.json": String(step), ...files })) await writeFile(join(directory, name), text);
    const { digest } = await store.checkpoints.publish(claim, step, directory);
    await store.ledger.append(run, { type: "checkpoint-saved", stage: stage.name, key: stage.key, step, checkpoint: digest, bytes: 1 });
  });
  await store.claims.release(claim);
}

export async function begin(store: Store, stage: PlannedStage, run: string, resumedFrom?: number): Promise<void> {
  await store.ledger.append(run, {
    type: "stage-started", stage: stage.name, key: stage.key, attempt: 1, worker: { pid: 1, host: "h" }, inputs: {}, ...(resumedFrom !== undefined && { resumedFrom }),
  });
}

/** A run of a plan whose named stages are finished, each after 100 seconds; it has failed at the one after them. */
export async function failedRun(store: Store, id: string, plan: Plan, finished: readonly string[]): Promise<void> {
  await store.runs.create(id, plan, "somebody", () => store.ledger.append(id, {
    type: "run-submitted", name: plan.name, specPath: plan.specPath, specDigest: plan.specDigest, planDigest: digestOf(plan), actor: "somebody", versions: {},
  }));
  for (const stage of plan.stages.filter(({ name }) => finished.includes(name))) {
    await begin(store, stage, id);
    const artifact = await finishStage(store, stage, id);
    await store.ledger.append(id, { type: "stage-finished", stage: stage.name, key: stage.key, artifact, seconds: 100, figures: {} });
  }
  if (finished.length === plan.stages.length) await store.ledger.append(id, { type: "run-finished" });
  else await store.ledger.append(id, { type: "run-failed", failures: [] });
}
