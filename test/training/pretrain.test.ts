import { describe, expect, it } from "vitest";
import { Tokenizer } from "../../models/tokenizer.js";
import { stageKinds } from "../../schemas/stages/table.js";
import type { StageData } from "../../training/trainer.js";
import { createPretrain } from "../../training/pretrain.js";
import { pretrainingRows } from "../../training/pretraining-rows.js";
import { createTokenizer } from "../../training/tokenizer.js";
import { ticksBetween } from "../ticks.js";
import { referenceBackend, runInterrupted, runToEnd, stageData, textRow, tinyModel, type Start } from "./support.js";

const text = { train: ["abab", "cdcd", "abcd", "abab"].map((content, line) => textRow(content, line + 1)), heldOut: [textRow("abab")] };

const pretrain = async (parameters: Readonly<Record<string, unknown>> = {}, rows: StageData["text"] = text): Promise<Start> => {
  const model = await tinyModel(4);
  return (attempt) => createPretrain({
    ...attempt, seed: 3, artifacts: { model }, data: { data: stageData({ text: rows }) },
    parameters: stageKinds.pretrain.parameters.parse({ kind: "pretrain", model: "tiny", data: "sample", steps: 6, batch: 2, length: 8, learningRate: 0.1, ...parameters }),
  });
};

describe("pretraining", () => {
  it("lowers the loss on packed text", async () => {
    const { metrics, metadata } = await runToEnd(await pretrain({ steps: 12 }));
    expect(metrics[0]!["loss/lm"]).toBeCloseTo(Math.log(261), 1);
    expect(metrics.at(-1)!["loss/lm"]).toBeLessThan(0.75 * metrics[0]!["loss/lm"]!);
    expect(metrics[0]).toMatchObject({ tokens: 16 });
    expect(metadata.data!["sample"]).toMatchObject({ documents: 4, tokens: 20 });
    expect(metadata.figures["lm/held_out_perplexity"]).toBeGreaterThan(1);
  });

  it("shows each row of an epoch once before the next epoch begins", async () => {
    const start = await pretrain({ length: 10, batch: 1 });
    const backend = referenceBackend();
    const rows: string[] = [];
    const trainer = await start({
      phase: () => {},
      backend: { ...backend, step: (model, request) => { rows.push(...request.parts[0]!.batch.sequences.map(String)); return backend.step(model, request); } },
    });
    for (const step of [0, 1]) await trainer.step(step);
    const { tokenizer } = await tinyModel(4);
    expect(rows.join(",").split(",").map(Number).sort()).toEqual(text.train.flatMap((row) => [...tokenizer.encode(row.text), tokenizer.endTokens[0]!]).sort());
  });

  it("encodes without holding up timers: a worker's heartbeat goes on", async () => {
    const { tokenizer } = await tinyModel(4);
    const slow = (hold: () => void) => Array.from({ length: 10 }, (_, line) => ({ ...textRow("", line + 1), get text() { hold(); return "abab"; } }));
    const encoding = {
      train: async (hold) => (await pretrain({}, { train: slow(hold), heldOut: [] }))({ backend: referenceBackend(), phase: () => {} }),
      heldOut: async (hold) => (await pretrain({}, { ...text, heldOut: slow(hold) }))({ backend: referenceBackend(), phase: () => {} }),
      ptx: (hold) => pretrainingRows(
        { data: { pretrainingData: stageData({ text: { train: slow(hold), heldOut: [] } }) }, seed: 1 }, tokenizer, { coefficient: 1, rows: 1, length: 8 },
      ),
    } satisfies Record<string, Parameters<typeof ticksBetween>[0]>;
    for (const [name, encode] of Object.entries(encoding)) expect(await ticksBetween(encode), name).toBeGreaterThan(1);
  });

  it("ends with the bytes of an uninterrupted stage, wherever in an epoch it was stopped", async () => {
    const start = await pretrain();
    const whole = await runToEnd(start);
    for (const steps of [1, 4]) expect((await runInterrupted(start, steps)).files).toEqual(whole.files);
  });
});

describe("the tokenizer stage", () => {
  it("learns merges from the training split alone", async () => {
    const start: Start = (attempt) => createTokenizer({
      ...attempt, seed: 1, artifacts: {},
      data: { data: stageData({ text: { train: [textRow("abab abab")], heldOut: [textRow("zz zz zz zz zz zz")] } }) },
      parameters: stageKinds.tokenizer.parameters.parse({ kind: "tokenizer", data: "sample", vocabulary: 300 }),
    });
    const { directory, metadata } = await runToEnd(start);
    const tokenizer = await Tokenizer.load(directory);
    expect(tokenizer.encode("abab").length).toBeLessThan(4);
    expect(tokenizer.encode("zz")).toHaveLength(2);
    expect(metadata.figures["tokenizer/vocabulary"]).toBe(tokenizer.vocabulary);
  });
});
