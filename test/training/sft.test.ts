import { describe, expect, it } from "vitest";
import type { StepRequest } from "../../backends/backend.js";
import { stageKinds } from "../../schemas/stages/table.js";
import { createSft } from "../../training/sft.js";
import { assistant, dialogueRow, referenceBackend, runInterrupted, runToEnd, stageData, tinyModel, user, type Start } from "./support.js";

const dialogues = ["ab", "cd", "ef", "gh", "ij", "kl"].map((text, line) => dialogueRow([user(text[0]!), assistant(text[1]!)], line + 1));
const heldOut = [dialogueRow([user("a"), assistant("b")])];

const sft = async (parameters: Readonly<Record<string, unknown>> = {}, rows = dialogues): Promise<Start> => {
  const model = await tinyModel(1);
  return (attempt) => createSft({
    ...attempt, seed: 3, artifacts: { model }, data: { data: stageData({ dialogues: { train: rows, heldOut } }) },
    parameters: stageKinds.sft.parameters.parse({ kind: "sft", model: "base", data: "sample", batch: 4, epochs: 6, learningRate: 0.1, ...parameters }),
  });
};

describe("supervised fine-tuning", () => {
  it("lowers the loss on what it trains on, and measures held-out rows on the way and at the end", async () => {
    const { metrics, metadata } = await runToEnd(await sft());
    expect(metrics).toHaveLength(9);
    expect(metrics.at(-1)!["loss/sft"]).toBeLessThan(0.75 * metrics[0]!["loss/sft"]!);
    expect(metrics.filter((line) => "sft/held_out_loss" in line).map(({ step }) => step)).toEqual([2, 4, 6, 8, 9]);
    expect(metadata.figures["sft/held_out_perplexity"]).toBeCloseTo(Math.exp(metadata.figures["sft/held_out_loss"]!), 10);
    expect(metadata.data).toEqual({ sample: { read: 0, used: 6, dropped: 0, cut: 0 } });
  });

  it("ends with the bytes of an uninterrupted stage, wherever it was stopped", async () => {
    const start = await sft({ epochs: 2 });
    const whole = await runToEnd(start);
    for (const steps of [1, 2, 3]) {
      const interrupted = await runInterrupted(start, steps);
      expect(interrupted.files).toEqual(whole.files);
      expect(interrupted.metadata).toEqual(whole.metadata);
    }
  });

  it("trains on every assistant turn and on nothing else", async () => {
    const rows = [dialogueRow([user("question"), assistant("one"), user("more"), assistant("two")])];
    const requests: StepRequest[] = [];
    const start = await sft({ batch: 1, epochs: 1 }, rows);
    const backend = referenceBackend();
    const trainer = await start({
      phase: () => {},
      backend: { ...backend, step: (model, request) => { requests.push(request); return backend.step(model, request); } },
    });
    await trainer.step(0);
    const { sequences, targets } = requests[0]!.parts[0]!.batch;
    const { tokenizer } = await tinyModel(1);
    expect(tokenizer.decode(Array.from(targets[0]!, (index) => sequences[0]![index]!))).toBe("one<|end|>two<|end|>");
  });

  it("gives each target token the same weight, however long its row", async () => {
    const rows = [dialogueRow([user("a"), assistant("b")]), dialogueRow([user("a"), assistant("bbbbbbbb")])];
    const { metrics } = await runToEnd(await sft({ batch: 2, epochs: 1, learningRate: 1e-9 }, rows));
    const model = await tinyModel(1);
    const backend = referenceBackend();
    await backend.load({ model: "m", directory: model.directory, head: "language", trainable: false });
    const batch = rows.map(({ messages }) => model.tokenizer.encodeDialogue(messages));
    const { logProbabilities } = await backend.forward("m", {
      batch: { sequences: batch.map(({ tokens }) => tokens), targets: batch.map(({ targets }) => targets) }, quantities: ["logProbabilities"],
    });
    expect(logProbabilities).toHaveLength(2 + 9);
    expect(metrics[0]!["loss/sft"]).toBeCloseTo(-logProbabilities!.reduce((sum, value) => sum + value) / 11, 5);
  });

  it("drops rows that the context has no room for, and says how many", async () => {
    const long = dialogueRow([user("x".repeat(60)), assistant("y")]);
    const { metadata } = await runToEnd(await sft({ epochs: 1 }, [...dialogues, long]));
    expect(metadata.data!["sample"]).toMatchObject({ used: 6, dropped: 1, cut: 0 });
  });

  it("cuts whole turns from the start when asked to", async () => {
    const long = dialogueRow([user("x".repeat(60)), assistant("y"), user("z"), assistant("w")]);
    const { metadata } = await runToEnd(await sft({ epochs: 1, tooLong: "cut" }, [...dialogues, long]));
    expect(metadata.data!["sample"]).toMatchObject({ used: 7, dropped: 0, cut: 1 });
  });

  it("refuses data of which too much is too long", async () => {
    const long = dialogueRow([user("x".repeat(60)), assistant("y")], 7);
    const start = await sft({}, [dialogues[0]!, long]);
    await expect(runToEnd(start)).rejects.toMatchObject({
      code: "TL_DATA_TOO_LONG", message: expect.stringMatching(/1 of 2 rows \(50\.0 %\) are longer than 48 tokens.*test\.jsonl:7/),
    });
  });
});
