import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readDataset } from "../../data/dataset.js";
import { madeSource } from "../../data/made-data.js";
import { labelledPairSchema, preferencesReportSchema, sampledPromptSchema } from "../../schemas/preferences-report.js";
import { stageKinds } from "../../schemas/stages/table.js";
import { createPreferences } from "../../training/preferences.js";
import { serve } from "../foundation/http/server.js";
import { promptRow, runInterrupted, runToEnd, stageData, temporaryDirectory, tinyModel, tinyRewardModel, type Start } from "./support.js";

const trainPrompts = ["ab", "cd", "ef", "gh", "ij", "kl"].map((text, index) => promptRow(text, { language: index < 2 ? "en" : "zh" }));
const heldOutPrompts = ["mn", "op", "qr"].map((text) => promptRow(text));

const preferences = async (parameters: Readonly<Record<string, unknown>> = {}, [train, heldOut] = [trainPrompts, heldOutPrompts]): Promise<Start> => {
  const [policy, reward] = [await tinyModel(1), await tinyRewardModel(2)];
  return (attempt) => createPreferences({
    ...attempt, seed: 3, artifacts: { policy, ...(typeof parameters["reward"] !== "object" && { reward }) }, data: { prompts: stageData({ prompts: { train, heldOut } }) },
    parameters: stageKinds.preferences.parameters.parse({
      kind: "preferences", policy: "sft", reward: "rm", prompts: "p", batch: 4, maxNewTokens: 6, samples: 3, margin: 0, most: 2, temperature: 1, ...parameters,
    }),
  });
};

const read = async (directory: string) => {
  const lines = async (name: string) => (await readFile(join(directory, name), "utf8")).split("\n").slice(0, -1).map((line): unknown => JSON.parse(line));
  return {
    report: preferencesReportSchema.parse((await lines("report.json"))[0]),
    train: (await lines("train.jsonl")).map((row) => labelledPairSchema.parse(row)),
    heldOut: (await lines("held-out.jsonl")).map((row) => labelledPairSchema.parse(row)),
    sampled: (await lines("answers.jsonl")).map((row) => sampledPromptSchema.parse(row)),
  };
};
const asked = (rows: readonly { readonly prompt: readonly { readonly content: string }[] }[]) => [...new Set(rows.map(({ prompt }) => prompt[0]!.content))].sort();
const contents = (rows: typeof trainPrompts) => rows.map(({ messages }) => messages[0]!.content).sort();

describe("a preferences stage", () => {
  it("answers every prompt of both sides as often as asked, and keeps their pairs apart", async () => {
    const { directory, metrics, metadata } = await runToEnd(await preferences());
    const { sampled, train, heldOut, report } = await read(directory);
    expect(asked(sampled.filter(({ side }) => side === "train"))).toEqual(contents(trainPrompts));
    expect(asked(sampled.filter(({ side }) => side === "heldOut"))).toEqual(contents(heldOutPrompts));
    expect(sampled.every(({ answers }) => answers.length === 3)).toBe(true);
    expect(contents(trainPrompts)).toEqual(expect.arrayContaining(asked(train)));
    expect(contents(heldOutPrompts)).toEqual(expect.arrayContaining(asked(heldOut)));
    expect([report.train.prompts, report.heldOut!.prompts, report.train.pairs, report.heldOut!.pairs]).toEqual([6, 3, train.length, heldOut.length]);
    expect(metrics).toHaveLength(2 + 1);
    expect(metadata.figures).toMatchObject({ "preferences/pairs": train.length, "preferences/held_out_pairs": heldOut.length });
    expect(heldOut.length).toBeGreaterThan(0);
  });

  it("prefers the answer to which the reward model gives the higher score, of the prompt's own answers", async () => {
    const { directory } = await runToEnd(await preferences());
    const { sampled, train, heldOut } = await read(directory);
    for (const { prompt, chosen, rejected, score_chosen, score_rejected } of [...train, ...heldOut]) {
      const { answers } = sampled.find((each) => each.prompt[0]!.content === prompt[0]!.content)!;
      expect(answers.find(({ text }) => text === chosen)!.proxy).toBe(score_chosen);
      expect(answers.find(({ text }) => text === rejected)!.proxy).toBe(score_rejected);
      expect(score_chosen).toBeGreaterThan(score_rejected);
    }
    for (const prompt of contents(trainPrompts)) expect(train.filter((row) => row.prompt[0]!.content === prompt).length).toBeLessThanOrEqual(2);
  });

  it("leaves data that is read as format preference, each pair on the side of its prompt", async () => {
    const { directory } = await runToEnd(await preferences());
    const { train, heldOut } = await read(directory);
    const { pairs } = await readDataset(madeSource({ name: "pairs", format: "preference", stage: "pairs" }, directory), ["pairs"]);
    const shown = (rows: Iterable<{ readonly chosen: string; readonly rejected: string }>) => [...rows].map(({ chosen, rejected }) => [chosen, rejected]);
    expect(shown(pairs.train)).toEqual(shown(train));
    expect(shown(pairs.heldOut)).toEqual(shown(heldOut));
  });

  it("lets a module label, and says how often what it scores is too close or blank", async () => {
    const path = join(await temporaryDirectory(), "reward.mjs");
    await writeFile(path, "export const reward = (answers) => answers.map(({ answer }) => Math.min(answer.length, 5));");
    const start = await preferences({ reward: { module: "reward.mjs" }, most: 100 });
    const { directory } = await runToEnd((attempt) => start({ ...attempt, files: { reward: { path } } }));
    const { train, sampled, report } = await read(directory);
    const ofTraining = sampled.filter(({ side }) => side === "train").map(({ answers }) => [...new Set(answers.map(({ text }) => text))].filter((text) => text.trim() !== ""));
    const couples = ofTraining.flatMap((texts) => texts.flatMap((first, index) => texts.slice(index + 1).map((second) => Math.min(first.length, 5) - Math.min(second.length, 5))));
    expect([report.train.pairs, report.train.close, report.train.alike]).toEqual([couples.filter((by) => by !== 0).length, couples.filter((by) => by === 0).length, 18 - ofTraining.flat().length]);
    expect(report.train.close).toBeGreaterThan(0);
    for (const { chosen, rejected } of train) expect(Math.min(chosen.length, 5)).toBeGreaterThan(Math.min(rejected.length, 5));
  });

  it("asks a server about each answer once, whatever becomes of its attempts", async () => {
    const { url, received } = await serve(({ body }) => ({ json: { scores: (body as { answers: { answer: string }[] }).answers.map(({ answer }) => answer.length) } }));
    const [start, replies] = [await preferences({ reward: { url } }), join(await temporaryDirectory(), "replies.jsonl")];
    const whole = await runToEnd((attempt) => start({ ...attempt, replies }));
    const asked = received.length;
    const again = await runToEnd((attempt) => start({ ...attempt, replies }));
    expect([asked > 0, received.length]).toEqual([true, asked]);
    expect(again.files).toEqual(whole.files);
  });

  it("flips the labels of a share of the training pairs, and of no held-out pair", async () => {
    const [{ directory: plain }, { directory: noisy }] = [await runToEnd(await preferences({ most: 9 })), await runToEnd(await preferences({ most: 9, noise: 0.5 }))];
    const [before, after] = [await read(plain), await read(noisy)];
    expect(after.heldOut).toEqual(before.heldOut);
    const swapped = after.train.map((row, index) => row.chosen === before.train[index]!.rejected && row.score_chosen === before.train[index]!.score_rejected);
    expect(after.train.map(({ chosen, rejected }) => [chosen, rejected].sort())).toEqual(before.train.map(({ chosen, rejected }) => [chosen, rejected].sort()));
    expect(swapped.filter(Boolean)).toHaveLength(after.report.train.flipped);
    expect(after.report.train.flipped).toBeGreaterThan(2);
    expect(after.report.train.flipped).toBeLessThan(after.train.length - 2);
  });

  it("ends with the bytes of an uninterrupted stage, stopped on either side", async () => {
    const start = await preferences({ noise: 0.3 });
    const whole = await runToEnd(start);
    for (const steps of [1, 2]) {
      const interrupted = await runInterrupted(start, steps);
      expect(interrupted.files).toEqual(whole.files);
      expect(interrupted.metadata).toEqual(whole.metadata);
    }
  });

  it("answers as many prompts of each side as it is told, and none that is held out where that is 0", async () => {
    const few = await read((await runToEnd(await preferences({ maxPrompts: 5, maxHeldOutPrompts: 1 }))).directory);
    expect([few.report.train.prompts, few.report.heldOut!.prompts]).toEqual([5, 1]);
    const none = await read((await runToEnd(await preferences({ maxHeldOutPrompts: 0 }))).directory);
    expect([none.report.heldOut, none.heldOut, none.sampled.length]).toEqual([undefined, [], 6]);
  });

  it("leaves a held-out prompt out that is a training prompt once both are cut", async () => {
    const long = (start: string, end: string) => ({ ...promptRow(end), messages: [...promptRow(start).messages, { role: "assistant" as const, content: "yes" }, ...promptRow(end).messages] });
    const [train, heldOut] = [[long("a".repeat(40), "the same"), ...trainPrompts], [long("b".repeat(40), "the same"), ...heldOutPrompts]];
    const { sampled } = await read((await runToEnd(await preferences({ tooLong: "cut", maxTooLongShare: 1 }, [train, heldOut]))).directory);
    expect(sampled.filter(({ prompt }) => prompt.length === 1 && prompt[0]!.content === "the same").map(({ side }) => side)).toEqual(["train"]);
  });

  it("fails where no two answers differ enough, and where there is no training prompt", async () => {
    await expect(runToEnd(await preferences({ margin: 1e9 }))).rejects.toMatchObject({ code: "TL_PREFERENCES_NONE", message: expect.stringContaining("Of 18 answers") as string });
    await expect(runToEnd(await preferences({}, [[], heldOutPrompts]))).rejects.toMatchObject({ code: "TL_TRAIN_NOTHING" });
  });
});
