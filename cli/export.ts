import { cp, lstat, mkdtemp, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import { makeFolder } from "../foundation/files.js";
import { defineCommand, jsonOption } from "./command.js";
import { writtenAt } from "./place.js";
import { stageArtifact } from "./stage-artifact.js";
import { openStore } from "./store.js";

/** `trueline export RUN STAGE DIR`: copies a stage's artifact out of the store. */
export const exportCommand = defineCommand({
  name: "export",
  arguments: "<run> <stage> <directory>",
  summary: "copy a stage's artifact out of the store",
  details: "Models are Hugging Face directories that `transformers` loads as they are.\nThe bytes are checked first; an existing directory is never overwritten (exit 4).",
  examples: ["trueline export quickstart-20260101-abcdef ppo ./my-model"],
  options: { json: jsonOption },
  async run({ arguments: [run = "", stage = "", directory = ""], options, output }) {
    const store = openStore();
    const { digest, type, directory: source } = await stageArtifact(store, run, stage);
    const target = resolve(directory);
    await refuseExisting(target);
    const fault = await store.artifacts.fault(digest, { deep: true });
    if (fault !== undefined) throw new TruelineError("TL_STORE_CORRUPT", `The artifact of ${stage} is damaged: ${fault}`);
    await writtenAt(target, () => copyWhole(source, target));
    if (options.json) output.json({ run, stage, type, artifact: digest, directory: target });
    else output.data(target);
    return 0;
  },
});

async function refuseExisting(target: string): Promise<void> {
  const there = await lstat(target).then(() => true, () => false);
  if (there) throw new TruelineError("TL_EXPORT_EXISTS", `${target} exists.`, { hint: "Name a directory that does not exist yet." });
}

/** Copies beside the target first, so that a copy that was cut short never bears its name. */
async function copyWhole(source: string, target: string): Promise<void> {
  await makeFolder(dirname(target));
  const temporary = await mkdtemp(join(dirname(target), `.${basename(target)}-`));
  try {
    const copy = join(temporary, "copy");
    await cp(source, copy, { recursive: true });
    await refuseExisting(target);
    await rename(copy, target);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
