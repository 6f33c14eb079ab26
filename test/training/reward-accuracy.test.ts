import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { combineDatasets } from "../../data/dataset.js";
import { accuracyReportSchema } from "../../schemas/reward-accuracy-report.js";
import { stageKinds } from "../../schemas/stages/table.js";
import { encodeAnswer, scoreRows } from "../../training/pairs.js";
import { createRewardAccuracy } from "../../training/reward-accuracy.js";
import { buildAccuracyReport, type RankedPair } from "../../training/reward-accuracy-report.js";
import { Tokenizer } from "../../models/tokenizer.js";
import { pairRow, referenceBackend, runInterrupted, runToEnd, stageData, tinyRewardModel, user, type Start } from "./support.js";

const own = ["a", "b", "c", "d", "e"].map((prompt) => pairRow(prompt, `yes ${prompt}`, "no"));
const other = ["a", "f"].flatMap((prompt) => [pairRow(prompt, "good", "bad one"), pairRow(prompt, "fine", "bad one")]);
const dataOf = (...sets: readonly (readonly [name: string, heldOut: readonly ReturnType<typeof pairRow>[]])[]) => combineDatasets(sets.map(([name, heldOut]) =>
  stageData({ pairs: { train: [pairRow("never ranked", "x", "y")], heldOut }, counts: { [name]: { rows: heldOut.length + 1 } } })));

const ranking = async (data = dataOf(["own", own], ["other", other])): Promise<Start> => {
  const reward = await tinyRewardModel(4);
  return (attempt) => createRewardAccuracy({
    ...attempt, seed: 1, artifacts: { reward }, data: { pairs: data }, parameters: stageKinds["reward-accuracy"].parameters.parse({ kind: "reward-accuracy", reward: "rm", pairs: ["own", "other"], batch: 4 }),
  });
};

describe("a reward model's accuracy", () => {
  it("is the share of held-out pairs that it ranks as labelled, of each set for itself and of all", async () => {
    const { directory, metadata, metrics } = await runToEnd(await ranking());
    const report = accuracyReportSchema.parse(JSON.parse(await readFile(join(directory, "report.json"), "utf8")));
    const { directory: model } = await tinyRewardModel(4);
    const [backend, tokenizer] = [referenceBackend(), await Tokenizer.load(model)];
    await backend.load({ model: "rm", directory: model, head: "score", trainable: false });
    const score = async (prompt: string, answer: string) => (await scoreRows(backend, "rm", [encodeAnswer(tokenizer, [user(prompt)], answer).tokens], 1))[0]!;
    for (const [set, pairs] of [["own", own], ["other", other]] as const) {
      const found = report.sets.find(({ name }) => name === set)!;
      expect(found.differences).toHaveLength(pairs.length);
      for (const [index, { prompt, chosen, rejected }] of pairs.entries()) {
        expect(found.differences[index]).toBeCloseTo(await score(prompt[0]!.content, chosen) - await score(prompt[0]!.content, rejected), 5);
      }
      expect(found.accuracy.value).toBe(found.differences.filter((difference) => difference > 0).length / pairs.length);
      expect(metadata.figures[`pairs/${set}/accuracy`]).toBe(found.accuracy.value);
      expect(metadata.figures[`pairs/${set}/accuracy_low`]).toBe(found.accuracy.low);
    }
    expect(report.sets.map(({ name, pairs, prompts }) => [name, pairs, prompts])).toEqual([["own", 5, 5], ["other", 4, 2]]);
    const right = report.sets.flatMap(({ differences }) => differences).filter((difference) => difference > 0).length;
    expect(metadata.figures["rm/accuracy"]).toBeCloseTo(right / 9, 12);
    expect(metrics).toHaveLength(3);
  });

  it("ends with the bytes of an uninterrupted stage", async () => {
    const start = await ranking();
    const [whole, interrupted] = [await runToEnd(start), await runInterrupted(start, 1)];
    expect(interrupted.files).toEqual(whole.files);
    expect(interrupted.metadata).toEqual(whole.metadata);
  });

  it("is not to be had of data without a held-out pair, which it names", async () => {
    await expect(runToEnd(await ranking(dataOf(["own", own], ["empty", []])))).rejects.toMatchObject({ code: "TL_TRAIN_NOTHING", message: expect.stringContaining("pair of empty") as string });
  });
});

describe("the report of a reward model's accuracy", () => {
  const pair = (set: string, prompt: string, difference: number, lengths: RankedPair["lengths"] = [3, 3], language = "en"): RankedPair =>
    ({ set, prompt: [user(prompt)], difference, lengths, tags: { language } });

  it("counts equal scores as wrong, and is as sure as its prompts are many", () => {
    const { sets: [set], overall } = buildAccuracyReport([pair("s", "a", 1), pair("s", "a", 0), pair("s", "b", -1), pair("s", "c", 2)], 0);
    expect(set!.accuracy.value).toBe(0.5);
    expect([set!.pairs, set!.prompts]).toEqual([4, 3]);
    expect(overall).toEqual({ pairs: 4, prompts: 3, accuracy: set!.accuracy });
  });

  it("says what a rule gets that prefers the longer answer, of the pairs that differ in length", () => {
    const { overall } = buildAccuracyReport([pair("s", "a", 1, [5, 3]), pair("s", "b", 1, [2, 3]), pair("s", "c", 1, [9, 3]), pair("s", "d", 1)], 0);
    expect(overall.longer!.value).toBeCloseTo(2 / 3, 12);
  });

  it("tells tags apart within a set", () => {
    const { sets } = buildAccuracyReport([pair("s", "a", 1), pair("s", "b", -1, [3, 3], "zh"), pair("t", "c", 1)], 2);
    expect(sets.map(({ name, groups }) => [name, groups.map(({ tag, value, accuracy }) => [tag, value, accuracy.value])]))
      .toEqual([["s", [["language", "en", 1], ["language", "zh", 0]]], ["t", []]]);
  });
});
