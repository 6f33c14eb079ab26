import { readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readArtifacts } from "../../activities/inputs.js";
import { digestModelDirectory } from "../../models/directory-digest.js";
import { checkOutside } from "../../models/sources.js";
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

it("an adapter's directory is read with what lies under it, its tokenizer from the nearest that has one, and refused where any of these has changed", async () => {
  const store = emptyStore();
  const directory = async (name: string, files: Record<string, string>) => {
    const path = join(store.home, name);
    await rename(await filled(store, files), path);
    return { path, digest: (await digestModelDirectory(path)).digest };
  };
  const whole = await directory("whole", { "config.json": "{}", "tokenizer.json": "{}", "model.safetensors": "w" });
  const between = await directory("between", { "adapter_config.json": "{}", "adapter_model.safetensors": "b" });
  const adapter = await directory("adapter", { "adapter_config.json": "{}", "adapter_model.safetensors": "a" });
  const stage = { ...plannedStage("sft"), inputs: { model: { from: "directory" as const, type: "language-model", ...adapter, under: [whole, between] } } };
  const attempt = { store, scratch: store.home, task: { run: "r", stage, artifacts: {} } };
  const { model } = await readArtifacts(attempt);
  expect(model).toMatchObject({ directory: whole.path, weights: { directory: whole.path, adapters: [between.path, adapter.path] }, base: { ...adapter, under: [whole, between] } });
  await writeFile(join(between.path, "tokenizer.json"), "{}");
  await expect(readArtifacts(attempt), "the model under it has another tokenizer now").rejects.toMatchObject({ code: "TL_STAGE_INPUT_CHANGED", message: expect.stringContaining(between.path) as string });
  await rm(join(between.path, "tokenizer.json"));
  await expect(checkOutside({ ...adapter, under: [whole, between] })).resolves.toBeUndefined();
  await writeFile(join(whole.path, "model.safetensors"), "v");
  await expect(checkOutside({ ...adapter, under: [whole, between] })).rejects.toMatchObject({ code: "TL_STAGE_INPUT_CHANGED", message: expect.stringContaining(whole.path) as string });
  await writeFile(join(whole.path, "model.safetensors"), "w");
  await writeFile(join(adapter.path, "adapter_config.json"), "{ }");
  await expect(readArtifacts(attempt)).rejects.toMatchObject({ code: "TL_STAGE_INPUT_CHANGED", message: expect.stringContaining(adapter.path) as string });
});
