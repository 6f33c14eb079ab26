import { hostname } from "node:os";
import { sha256 } from "../../foundation/canonical.js";
import type { ArtifactMetadata } from "../../schemas/artifact.js";
import type { LedgerEvent } from "../../schemas/events.js";
import type { Plan, PlannedStage } from "../../schemas/plan.js";
import type { Claim } from "../../store/claims.js";
import type { Store } from "../../store/store.js";
import { filled, planOf } from "./home.js";

export const environment = { backend: "onnx", device: "cpu", threads: 2, versions: { onnxruntime: "1.30.0", node: "20.19.0" } };

/** A plan whose digests hold: its spec's text is what its digest says. */
export function soundPlan(name: string, ...stages: readonly PlannedStage[]): Plan {
  const spec = JSON.stringify({ name, note: "é \u0001 1e-8" });
  return { ...planOf(...stages), name, spec, specDigest: sha256(spec) };
}

/** A run as `submit` records it. */
export async function submitted(store: Store, run: string, plan: Plan): Promise<void> {
  await store.runs.create(run, plan, "ada@host", (record) => store.ledger.append(run, {
    type: "run-submitted", name: plan.name, specPath: plan.specPath, specDigest: plan.specDigest, planDigest: record.planDigest, actor: record.actor,
    versions: { trueline: "0.1.0", node: "20.19.0" },
  }));
}

export async function started(store: Store, run: string, stage: PlannedStage, inputs: Record<string, string[]> = {}): Promise<Claim> {
  const { claim } = await store.claims.take(stage.key, { run, stage: stage.name, attempt: 1 });
  await store.ledger.append(run, {
    type: "stage-started", stage: stage.name, key: stage.key, attempt: 1, worker: { pid: 7, host: hostname() }, environment, inputs,
  });
  return claim;
}

export async function checkpointed(store: Store, claim: Claim, step: number): Promise<void> {
  const { digest, bytes } = await store.checkpoints.publish(claim, step, await filled(store, { "state.bin": `after ${step}` }), { environment });
  await store.ledger.append(claim.run, { type: "checkpoint-saved", stage: claim.stage, key: claim.key, step, checkpoint: digest, bytes });
}

/** What an attempt does once its work is done; gives the artifact. */
export async function finished(
  store: Store, claim: Claim, kind: string, files: Readonly<Record<string, string>>, metadata: ArtifactMetadata = { figures: { "loss/lm": 1e-8 } },
): Promise<string> {
  const { key, run, stage } = claim;
  const artifact = await store.artifacts.publish(await filled(store, files), "language-model", metadata);
  const { figures } = metadata;
  await store.results.publish(claim, {
    version: 1, key, artifact, type: "language-model", kind, stage, run, finishedAt: new Date().toISOString(), seconds: 1.5, figures,
  });
  await store.ledger.append(run, { type: "stage-finished", stage, key, artifact, seconds: 1.5, figures });
  await store.checkpoints.remove(key);
  await store.claims.release(claim);
  return artifact;
}

/** Computes a stage from start to end; gives the artifact. */
export async function computed(store: Store, run: string, stage: PlannedStage, files: Readonly<Record<string, string>>, inputs?: Record<string, string[]>): Promise<string> {
  return finished(store, await started(store, run, stage, inputs), stage.kind, files);
}

/** Uses a result that is there, as an attempt does; gives the artifact. */
export async function reused(store: Store, run: string, stage: PlannedStage): Promise<string> {
  const result = await store.results.find(stage.key);
  if (result === undefined) throw new Error(`no result of ${stage.name}`);
  const { artifact, run: from, figures } = result;
  await store.ledger.append(run, { type: "stage-reused", stage: stage.name, key: stage.key, artifact, from, figures });
  return artifact;
}

export async function ended(store: Store, run: string, type: Extract<LedgerEvent["type"], "run-finished" | "run-cancelled">): Promise<void> {
  await store.ledger.append(run, { type });
}
