import { cp, lstat, mkdtemp, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { makeFolder, writeDurably } from "../foundation/files.js";
import { narrowToBrainFloat } from "../models/narrow.js";
import { type CardFacts, modelCard } from "../reports/model-card.js";
import { readPlannedChronicles } from "../store/planned-chronicles.js";
import type { Store } from "../store/store.js";
import { traceArtifact } from "../store/trace.js";
import { defineCommand, jsonOption } from "./command.js";
import { writtenAt } from "./place.js";
import { writeMerged } from "./merge.js";
import { stageArtifact, type StageArtifact } from "./stage-artifact.js";
import { openStore } from "./store.js";
import { story } from "./story.js";

/** What an exported directory has beyond the artifact's own files. */
export const exportAdditions: ReadonlySet<string> = new Set(["README.md", "genai_config.json", "onnx/model.onnx", "onnx/model.onnx_data"]);

/** `trueline export RUN STAGE DIR`: copies a stage's artifact out of the store. */
export const exportCommand = defineCommand({
  name: "export",
  arguments: "<run> <stage> <directory>",
  summary: "copy a stage's artifact out of the store",
  details: "Models are Hugging Face directories that `transformers` loads as they are, with a README.md that says what they came from: stages, data,\n"
    + "settings, figures, and who decided what. Read it before you publish. The bytes are checked first; an existing directory is never overwritten (exit 4).",
  examples: [
    "trueline export quickstart-20260101-abcdef ppo ./my-model",
    "trueline export quickstart-20260101-abcdef ppo ./my-model --onnx --dtype bfloat16",
    "trueline export my-lora-20260101-abcdef ppo ./my-model --merge",
  ],
  options: {
    json: jsonOption,
    onnx: { flags: "--onnx", summary: "add onnx/model.onnx with a KV cache, for transformers.js and onnxruntime-genai", schema: z.boolean().default(false) },
    dtype: { flags: "--dtype <type>", summary: "type of the weights in the files: float32 as trained, or bfloat16 to the nearest", schema: z.enum(["float32", "bfloat16"]).default("float32") },
    merge: { flags: "--merge", summary: "fold an adapter into the model that it stands on: a whole model, as stages without `lora` leave", schema: z.boolean().default(false) },
    plain: { flags: "--plain", summary: "the artifact's own files alone, no README.md", schema: z.boolean().default(false) },
  },
  async run({ arguments: [run = "", stage = "", directory = ""], options, output }) {
    const changes = [...(options.merge ? ["--merge"] : []), ...(options.onnx ? ["--onnx"] : []), ...(options.dtype === "float32" ? [] : ["--dtype"])];
    if (options.plain && changes.length > 0) throw new TruelineError("TL_USAGE", `--plain copies the artifact as it is, which ${changes.join(" and ")} would change.`, { hint: "Leave one of them out." });
    const store = openStore();
    const artifact = await stageArtifact(store, run, stage);
    if (options.onnx && artifact.type !== "language-model") {
      throw new TruelineError("TL_EXPORT_HEAD", `Stage ${stage} leaves a ${artifact.type}; the ONNX file is for language models, which generate.`, { hint: "Leave --onnx out." });
    }
    const { base } = (await store.artifacts.read(artifact.digest)).metadata;
    const isAdapter = base !== undefined;
    if (isAdapter && !options.merge && changes.length > 0) {
      throw new TruelineError("TL_USAGE", `Stage ${stage} leaves an adapter, and ${changes.join(" and ")} is for whole models.`, { hint: "Add --merge." });
    }
    const target = resolve(directory);
    await refuseExisting(target);
    const fault = await store.artifacts.fault(artifact.digest, { deep: true });
    if (fault !== undefined) throw new TruelineError("TL_STORE_CORRUPT", `The artifact of ${stage} is damaged: ${fault}`);
    await writtenAt(target, () => writtenWhole(target, async (copy) => {
      if (isAdapter && options.merge) await writeMerged(store, artifact, copy);
      else await cp(artifact.directory, copy, { recursive: true });
      // ONNX Runtime takes a while to load: only where it is asked for.
      if (options.onnx) {
        const { weightsBeside } = await (await import("../backends/onnx/export.js")).addOnnx(copy);
        if (weightsBeside) output.note("The ONNX file's weights lie beside it: transformers.js needs `use_external_data_format: true`.");
      }
      if (options.dtype === "bfloat16" && isModel(artifact)) await narrowToBrainFloat(copy);
      if (!options.plain) await addCard(store, `${run}/${stage}`, artifact, copy, {
        hasOnnx: options.onnx, dtype: options.dtype, ...(base !== undefined && !options.merge && { base: "artifact" in base ? base.artifact : base.path }),
      });
    }));
    if (isAdapter && !options.merge) output.note("This is an adapter in PEFT's files; with --merge it is folded into the model that it stands on.");
    if (options.json) output.json({ run, stage, type: artifact.type, artifact: artifact.digest, directory: target });
    else output.data(target);
    return 0;
  },
});

/** Writes what it came from into a copy of an artifact. */
async function addCard(store: Store, name: string, { digest, type }: StageArtifact, copy: string, forms: Pick<CardFacts, "hasOnnx" | "dtype" | "base">): Promise<void> {
  const { makings } = traceArtifact(digest, (await readPlannedChronicles(store)).chronicles);
  const versions = makings[0]?.attempts.flatMap(({ event }) => event.type === "stage-started" ? [{ ...event.versions, ...event.environment?.versions }] : []).at(-1) ?? {};
  const decisions = makings.flatMap((making) => making.decisions.map(({ at, event }) => `${at.slice(0, 10)} ${story(event)}`));
  await writeDurably(join(copy, "README.md"), `${modelCard({ name, type, artifact: digest, makings, decisions, versions, ...forms })}\n`);
}

const isModel = ({ type }: StageArtifact): boolean => type.endsWith("-model");

async function refuseExisting(target: string): Promise<void> {
  const there = await lstat(target).then(() => true, () => false);
  if (there) throw new TruelineError("TL_EXPORT_EXISTS", `${target} exists.`, { hint: "Name a directory that does not exist yet." });
}

/** Has a directory made beside the target first, so that one that was cut short never bears its name. */
async function writtenWhole(target: string, make: (copy: string) => Promise<void>): Promise<void> {
  await makeFolder(dirname(target));
  const temporary = await mkdtemp(join(dirname(target), `.${basename(target)}-`));
  try {
    const copy = join(temporary, "copy");
    await make(copy);
    await refuseExisting(target);
    await rename(copy, target);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
