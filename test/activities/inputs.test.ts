import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readArtifacts } from "../../activities/inputs.js";
import { emptyStore, filled, plannedStage, planOf } from "../store/home.js";

const first = plannedStage("first");
const second = { ...plannedStage("second", ["first"]), inputs: { model: { from: "stage" as const, stage: "first", type: "language-model" } } };

it("an artifact with a flipped byte is found by its hash when a stage reads it, set aside, told, and made again by a resume", async () => {
  const store = emptyStore();
  await store.runs.create("r", planOf(first, second), "somebody");
  const { claim } = await store.claims.take(first.key, { run: "r", stage: "first", attempt: 1 });
  const figures = { "loss/lm": 1 };
  const publish = async () => store.artifacts.publish(await filled(store, { "model.safetensors": "weights" }), "language-model", { figures });
  const artifact = await publish();
  await store.results.publish(claim, {
    version: 1, key: first.key, artifact, type: "language-model", kind: "pretrain", stage: "first", run: "r", finishedAt: "2026-01-01T00:00:00Z", seconds: 1, figures,
  });
  const attempt = { store, scratch: store.home, task: { run: "r", stage: second, artifacts: { first: artifact } } };
  expect(await readArtifacts(attempt)).toMatchObject({ model: { type: "language-model" } });

  await writeFile(join(store.artifacts.directory(artifact), "model.safetensors"), "weightz");
  await expect(readArtifacts(attempt)).rejects.toMatchObject({
    code: "TL_STORE_CORRUPT", message: expect.stringContaining("the bytes of model.safetensors have changed") as string, hint: expect.stringContaining("trueline resume r") as string,
  });
  expect((await store.ledger.read("r")).at(-1)?.event).toMatchObject({ type: "stage-set-aside", stage: "first", artifact, reason: "the bytes of model.safetensors have changed" });
  expect(await store.results.find(first.key), "the stage is to be run again").toBeUndefined();
  expect(await readdir(join(store.home, "damaged"))).toHaveLength(1);
  expect(await publish()).toBe(artifact);
  expect(await readArtifacts(attempt)).toMatchObject({ model: { type: "language-model" } });
});
