import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { recordedMetrics, stageArtifact } from "../../cli/stage-artifact.js";
import type { Store } from "../../store/store.js";
import { emptyStore, filled, planOf, plannedStage } from "../store/home.js";

const stage = plannedStage("s");

/** Leaves an artifact as the key's present result, in the ledger of `run`. */
async function finish(store: Store, run: string, text: string): Promise<string> {
  const artifact = await store.artifacts.publish(await filled(store, { model: text }), "language-model", { figures: { "loss/lm": text.length } });
  const { claim } = await store.claims.take(stage.key, { run, stage: stage.name, attempt: 1 });
  await store.results.publish(claim, {
    version: 1, key: stage.key, artifact, type: "language-model", kind: stage.kind, stage: stage.name, run, finishedAt: new Date().toISOString(), seconds: 1, figures: {},
  });
  await store.claims.release(claim);
  await store.ledger.append(run, { type: "stage-finished", stage: stage.name, key: stage.key, artifact, seconds: 1, figures: { "loss/lm": text.length } });
  return artifact;
}

it("what a finished stage has recorded is its artifact's, though a checkpoint of the key is still there; else it is the checkpoint's, with its step", async () => {
  const store = emptyStore();
  await store.runs.create("first", planOf(stage), "somebody");
  const { claim } = await store.claims.take(stage.key, { run: "first", stage: stage.name, attempt: 1 });
  const publish = (step: number) => filled(store, { "metrics.jsonl": `{"step":${step},"loss/lm":1}\n` }).then((directory) => store.checkpoints.publish(claim, step, directory, {}));
  await publish(7);
  await store.claims.release(claim);
  expect((await recordedMetrics(store, "first")).get("s")).toMatchObject({ artifact: undefined, step: 7, lines: [{ step: 7 }] });
  const artifact = await finish(store, "first", "own");
  expect((await recordedMetrics(store, "first")).get("s")).toMatchObject({ artifact: { digest: artifact }, step: undefined, lines: [] });
});

it("the artifact of a run's stage is the one of its own ledger, whatever the key's result is by now", async () => {
  const store = emptyStore();
  for (const run of ["first", "second", "third"]) await store.runs.create(run, planOf(stage), "somebody");
  const own = await finish(store, "first", "own");
  const newer = await finish(store, "second", "newer");
  expect(await stageArtifact(store, "first", "s")).toMatchObject({ digest: own, type: "language-model", figures: { "loss/lm": 3 } });
  expect(await stageArtifact(store, "third", "s"), "a run that has none takes the key's").toMatchObject({ digest: newer });
  await rm(join(store.home, "artifacts", own), { recursive: true });
  await expect(stageArtifact(store, "first", "s")).rejects.toMatchObject({ code: "TL_RUN_STAGE_UNFINISHED" });
  await expect(stageArtifact(store, "first", "t")).rejects.toMatchObject({ code: "TL_RUN_STAGE_UNKNOWN" });
});
