import { cp, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadModel, saveModel } from "../backends/model-files.js";
import { ADAPTER_CONFIGURATION, ADAPTER_WEIGHTS, describeAdapter } from "../models/adapter-files.js";
import type { Manifest } from "../schemas/artifact.js";
import { recordFiles } from "../store/files.js";
import { recordText } from "../store/records.js";
import type { Store } from "../store/store.js";
import { checkedWeights, type StageArtifact } from "./stage-artifact.js";

const MANIFEST = "artifact.json";
const adapterFiles: ReadonlySet<string> = new Set([ADAPTER_CONFIGURATION, ADAPTER_WEIGHTS, MANIFEST]);

/**
 * Makes a directory of a whole model: an adapter's artifact with its adapter, and those under it, folded into the weights. All else of the
 * artifact is copied; the manifest says what it said of the adapter, but names no base.
 */
export async function writeMerged(store: Store, { digest, directory }: StageArtifact, target: string): Promise<void> {
  await mkdir(target);
  for (const name of await readdir(directory)) {
    if (!adapterFiles.has(name)) await cp(join(directory, name), join(target, name), { recursive: true });
  }
  const weights = await checkedWeights(store, digest);
  const { head } = await describeAdapter(directory);
  const { configuration, parameters } = await loadModel({ model: "model", ...weights, head, trainable: false });
  await saveModel(target, { configuration, head, parameters });
  const { type, metadata: { base: _, ...metadata } } = await store.artifacts.read(digest);
  const manifest: Manifest = { version: 1, type, files: await recordFiles(target, MANIFEST), metadata };
  await writeFile(join(target, MANIFEST), recordText(manifest), { flush: true });
}
