import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createTrainer } from "../../training/registry.js";
import type { InputArtifact } from "../../training/trainer.js";
import { assistant, dialogueRow, runInterrupted, runStopped, runToEnd, stageData, tinyModel, user, type Start } from "./support.js";

const parameters = { kind: "sft", model: "base", data: "sample", batch: 2, epochs: 3 };
const dialogues = { train: ["ab", "cde", "fghi", "jk"].map((text) => dialogueRow([user(text), assistant(text)])), heldOut: [] };

/** Fine-tuning as an attempt starts it, from a model. */
const sft = (model: InputArtifact): Start => (attempt) =>
  createTrainer("sft", { ...attempt, parameters, seed: 3, artifacts: { model }, data: { data: stageData({ dialogues }) } });

/** What going on from a checkpoint of two steps says, after `change` was done to its folder. */
async function refusal(change: (directory: string) => Promise<unknown>, from?: InputArtifact): Promise<unknown> {
  const model = await tinyModel(1);
  const checkpoint = await runStopped(sft(model), 2);
  await change(checkpoint.directory);
  return runToEnd(sft(from ?? model), { resume: checkpoint }).then(() => "went on", (error: unknown) => error);
}

const nothing = async () => undefined;
const wrong = (words: string) => expect.objectContaining({ code: "TL_TRAIN_CHECKPOINT", message: expect.stringContaining(words) as string, hint: expect.stringContaining("--from STAGE") as string }) as unknown;

async function edit(path: string, before: string, after: string): Promise<void> {
  const text = await readFile(path, "utf8");
  expect(text).toContain(before);
  await writeFile(path, text.replace(before, after));
}

describe("a checkpoint", () => {
  it("is continued from where nothing is amiss, to the same bytes", async () => {
    const start = sft(await tinyModel(1));
    expect((await runInterrupted(start, 2)).files).toEqual((await runToEnd(start)).files);
  });

  it("of another tokenizer is refused", async () => {
    expect(await refusal(nothing, await tinyModel(1, 48, { isolateHan: false }))).toEqual(wrong("the tokenizer of `model` is "));
  });

  it("of a model of other shapes is refused, field by field", async () => {
    const error = await refusal(nothing, await tinyModel(1, 40, { hidden: 16 }));
    expect(error).toEqual(wrong("model: hidden is 8 in the checkpoint, 16 in the stage's model; headSize is 4 in the checkpoint, 8 in the stage's model; context is 48 in the checkpoint, 40 in the stage's model."));
  });

  it("of a model with other positions is refused", async () => {
    expect(await refusal((directory) => edit(join(directory, "model", "config.json"), '"use_cache"', '"rope_scaling": {"rope_type": "linear", "factor": 2}, "use_cache"')))
      .toEqual(wrong('ropeScaling is {"factor":2,"kind":"linear"} in the checkpoint, undefined in the stage\'s model'));
  });

  it("of a model with another head is refused", async () => {
    expect(await refusal(async (directory) => {
      const path = join(directory, "model", "config.json");
      await edit(path, "LlamaForCausalLM", "LlamaForSequenceClassification");
      await edit(path, '"use_cache"', '"num_labels": 1, "use_cache"');
    }))
      .toEqual(wrong("its model has a score head, and the stage trains a language head"));
  });

  it("without its optimizer is refused, and with one of other shapes", async () => {
    expect(await refusal((directory) => rm(join(directory, "model", "optimizer.safetensors")))).toEqual(wrong("optimizer.safetensors can't be read"));
    const wider = await runStopped(sft(await tinyModel(1, 48, { hidden: 16 })), 1);
    const other = join(wider.directory, "model", "optimizer.safetensors");
    expect(await refusal((directory) => cp(other, join(directory, "model", "optimizer.safetensors"))))
      .toEqual(wrong("tensor exp_avg.model.embed_tokens.weight has shape [261, 16]"));
  });

  it("without its model is refused, and with weights of other shapes", async () => {
    expect(await refusal((directory) => rm(join(directory, "model"), { recursive: true }))).toEqual(wrong("config.json is not there"));
    const wider = await runStopped(sft(await tinyModel(1, 48, { hidden: 16 })), 1);
    expect(await refusal((directory) => cp(join(wider.directory, "model", "model.safetensors"), join(directory, "model", "model.safetensors"))))
      .toEqual(wrong("tensor model.embed_tokens.weight has shape [261, 16]"));
  });

  it("of another kind of stage is refused, and of another version of the same", async () => {
    expect(await refusal((directory) => edit(join(directory, "stage.json"), '"sft"', '"pretrain"'))).toEqual(wrong("it was made by a pretrain stage, and this one is sft"));
    expect(await refusal((directory) => edit(join(directory, "stage.json"), '"version":1', '"version":0'))).toEqual(wrong("it was made by version 0 of sft, and this is version 1"));
    expect(await refusal((directory) => writeFile(join(directory, "stage.json"), "{"))).toEqual(wrong("does not say which stage made it"));
  });

  it("that says nothing of itself, as older ones do, was found by its key and is taken at that", async () => {
    expect(await refusal((directory) => rm(join(directory, "stage.json")))).toBe("went on");
  });
});
