import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { fromBrainFloat, toBrainFloat } from "../../models/float16.js";
import { narrowToBrainFloat } from "../../models/narrow.js";
import { readModelTensors } from "../../models/safetensors.js";

it("a model in shards is narrowed to the nearest in one file, of which its configuration tells", async () => {
  const directory = await mkdtemp(join(tmpdir(), "trueline-narrow-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  await cp(fileURLToPath(new URL("fixtures/models/llama-sharded", import.meta.url)), directory, { recursive: true });
  const before = await readModelTensors(directory);
  await narrowToBrainFloat(directory);
  expect((await readdir(directory)).filter((name) => name.includes("safetensors"))).toEqual(["model.safetensors"]);
  expect(JSON.parse(await readFile(join(directory, "config.json"), "utf8"))).toMatchObject({ model_type: "llama", torch_dtype: "bfloat16" });
  const after = await readModelTensors(directory);
  expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
  for (const [name, { data, shape }] of before) expect(after.get(name), name).toMatchObject({ shape, data: fromBrainFloat(toBrainFloat(data)) });
});

it("a stretch of a longer array is narrowed from where it begins", () => {
  expect([...fromBrainFloat(toBrainFloat(Float32Array.of(1, 2, 3, 4).subarray(1, 3)))]).toEqual([2, 3]);
});

it("what is not a number stays so, whatever its payload", () => {
  const patterns = Uint32Array.of(0x7fff_ffff, 0xffff_ffff, 0x7f80_0001, 0x7fc0_0000);
  expect([...fromBrainFloat(toBrainFloat(new Float32Array(patterns.buffer)))]).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
});
