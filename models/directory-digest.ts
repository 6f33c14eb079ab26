import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { digestOf } from "../foundation/canonical.js";
import { hashFile } from "../foundation/files.js";

/** Files of a model directory that decide what it computes; a README or a training log does not. */
const modelFiles = /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|artifact)\.json$|\.safetensors(\.index\.json)?$|^chat_template\.jinja$/;

/** Of an adapter's directory, which has no config.json, what stands in its place. */
const adapterFile = "adapter_config.json";

/**
 * The digest of a model directory, and the SHA-256 of each file that counts, by name.
 * @param fileDigest SHA-256 of a file's content, for callers that remember those they know.
 */
export async function digestModelDirectory(
  directory: string, fileDigest: (path: string) => Promise<string> = async (path) => (await hashFile(path)).sha256,
): Promise<{ readonly digest: string; readonly files: ReadonlyMap<string, string> }> {
  const files = new Map<string, string>();
  const names = await readdir(directory);
  const counts = (name: string) => modelFiles.test(name) || (name === adapterFile && !names.includes("config.json"));
  for (const name of names.filter(counts).sort()) files.set(name, await fileDigest(join(directory, name)));
  return { digest: digestOf(Object.fromEntries(files)), files };
}
