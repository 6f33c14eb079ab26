import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { readArtifacts, readData } from "../../activities/inputs.js";
import { createPlan } from "../../planner/plan.js";
import { createTrainer } from "../../training/registry.js";
import { emptyStore } from "../store/home.js";
import { referenceBackend, runToEnd, temporaryDirectory, tinyModel } from "../training/support.js";

const jsonl = (word: string, from: number, to: number): string =>
  Array.from({ length: to - from }, (_, index) => `${JSON.stringify({ prompt: `${word}${from + index}`, response: "yes" })}\n`).join("");

it("a stage trains on a mixture of a folder, a pattern and a csv file by their weights, from the spec to its last step", async () => {
  const folder = await temporaryDirectory();
  const model = await tinyModel(1);
  await mkdir(join(folder, "shards"));
  await mkdir(join(folder, "chats"));
  await writeFile(join(folder, "chats", "a.jsonl"), jsonl("a", 0, 20));
  await writeFile(join(folder, "chats", "b.csv"), `prompt,response\n${Array.from({ length: 20 }, (_, index) => `"a${20 + index}",yes\n`).join("")}`);
  await writeFile(join(folder, "shards", "1.jsonl.gz"), gzipSync(jsonl("b", 0, 10)));
  await writeFile(join(folder, "shards", "2.jsonl.gz"), gzipSync(jsonl("b", 10, 20)));
  await writeFile(join(folder, "shards", "notes.txt"), "not of the pattern\n");
  await rename(model.directory, join(folder, "model"));
  await writeFile(join(folder, "spec.json"), JSON.stringify({
    version: 1, name: "mixed", seed: 3,
    data: { chats: { format: "dialogue", path: "chats", holdout: 0.2 }, shards: { format: "dialogue", path: "shards/*.jsonl.gz", holdout: 0.2 } },
    models: { tiny: { path: "model" } },
    stages: { sft: { kind: "sft", model: "tiny", data: [{ from: "chats", weight: 3 }, { from: "shards", weight: 1 }], batch: 8, maxSteps: 10, epochs: 20 } },
  }));
  const { stages: [stage] } = await createPlan(join(folder, "spec.json"));
  const attempt = { store: emptyStore(), scratch: folder, task: { run: "r", stage: stage!, artifacts: {} }, pulse: { phase: () => undefined } };
  const [artifacts, data] = [await readArtifacts(attempt), await readData(attempt)];

  const drawn: string[] = [];
  const { metrics, metadata } = await runToEnd((given) => createTrainer("sft", { ...given, parameters: stage!.parameters, seed: stage!.seed, artifacts, data, files: {}, scratch: folder }), {
    makeBackend: () => {
      const backend = referenceBackend();
      return { ...backend, step: (name, request) => {
        for (const { batch } of request.parts) for (const sequence of batch.sequences) drawn.push(/[ab]\d+/.exec(model.tokenizer.decode([...sequence], { skipSpecial: true }))![0]);
        return backend.step(name, request);
      } };
    },
  });
  expect(metrics).toHaveLength(10);
  expect(drawn).toHaveLength(80);
  const share = drawn.filter((prompt) => prompt.startsWith("a")).length / 80;
  expect(share, "three in four come from the folder, though both sides' rows come anew").toBeGreaterThan(0.65);
  expect(share).toBeLessThan(0.85);
  const folderRows = new Set(drawn.filter((prompt) => prompt.startsWith("a")).map((prompt) => Number(prompt.slice(1))));
  expect([...folderRows].some((row) => row < 20) && [...folderRows].some((row) => row >= 20), "both files of the folder are drawn from").toBe(true);
  const shardRows = new Set(drawn.filter((prompt) => prompt.startsWith("b")).map((prompt) => Number(prompt.slice(1))));
  expect([...shardRows].some((row) => row < 10) && [...shardRows].some((row) => row >= 10), "both shards are drawn from").toBe(true);
  const { train, heldOut } = data["data"]!.dialogues;
  expect([train.length + heldOut.length, heldOut.length > 0]).toEqual([60, true]);
  expect(metadata.data).toMatchObject({ chats: { rows: 40, bad: 0 }, shards: { rows: 20, bad: 0 } });
  const held = new Set(Array.from({ length: heldOut.length }, (_, index) => JSON.stringify(heldOut.at(index))));
  expect(drawn.some((prompt) => [...held].some((row) => row.includes(`"${prompt}"`))), "none of what is held out").toBe(false);

  await writeFile(join(folder, "shards", "3.jsonl.gz"), gzipSync(jsonl("b", 20, 21)));
  await expect(readData(attempt)).rejects.toMatchObject({ code: "TL_STAGE_INPUT_CHANGED", message: expect.stringContaining("3.jsonl.gz") as string });
  await rm(join(folder, "shards", "3.jsonl.gz"));
});
