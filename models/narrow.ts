import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeDurably } from "../foundation/files.js";
import { readJson } from "./json-file.js";
import { readModelTensors, writeModelTensors } from "./safetensors.js";

/** Rewrites a model directory's weights in bfloat16, to the nearest, and says so in config.json. @throws TL_MODEL_*. */
export async function narrowToBrainFloat(directory: string): Promise<void> {
  const tensors = await readModelTensors(directory);
  for (const name of await readdir(directory)) {
    if (/^model.*\.safetensors(\.index\.json)?$/.test(name)) await rm(join(directory, name));
  }
  await writeModelTensors(directory, tensors, { type: "BF16" });
  const path = join(directory, "config.json");
  const config = await readJson(path, z.looseObject({})) ?? {};
  await writeDurably(path, `${JSON.stringify({ ...config, torch_dtype: "bfloat16" }, undefined, 2)}\n`);
}
