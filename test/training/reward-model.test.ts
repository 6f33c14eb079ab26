import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stageKinds } from "../../schemas/stages/table.js";
import { encodeAnswer, pairFitting, pairLoss } from "../../training/pairs.js";
import { createRewardModel } from "../../training/reward-model.js";
import { assistant, pairRow, referenceBackend, runInterrupted, runToEnd, stageData, tinyModel, user, type Start } from "./support.js";

/** Separable: the chosen answer is always "yes". */
const pairs = ["a", "b", "c", "d", "e", "f", "g", "h"].map((prompt) => pairRow(prompt, "yes", "no"));
const heldOut = ["x", "y", "z"].map((prompt) => pairRow(prompt, "yes", "no"));

const rewardModel = async (parameters: Readonly<Record<string, unknown>> = {}): Promise<Start> => {
  const model = await tinyModel(2);
  return (attempt) => createRewardModel({
    ...attempt, seed: 3, artifacts: { model }, data: { data: stageData({ pairs: { train: pairs, heldOut } }) },
    parameters: stageKinds["reward-model"].parameters.parse({ kind: "reward-model", model: "sft", data: "sample", batch: 4, epochs: 6, learningRate: 0.03, ...parameters }),
  });
};

describe("the reward model", () => {
  it("learns a separable set, and says so of held-out pairs", async () => {
    const { metrics, metadata, directory } = await runToEnd(await rewardModel());
    expect(metrics.at(-1)).toMatchObject({ "rm/accuracy": 1 });
    expect(metrics.at(-1)!["loss/reward"]).toBeLessThan(0.4 * metrics[0]!["loss/reward"]!);
    expect(metadata.figures["rm/held_out_accuracy"]).toBe(1);
    const { differences } = JSON.parse(await readFile(join(directory, "held-out-scores.json"), "utf8")) as { differences: number[] };
    expect(differences).toHaveLength(3);
    expect(metadata.figures["rm/held_out_margin"]).toBeCloseTo(differences.reduce((sum, value) => sum + value) / 3, 6);
  });

  it("keeps raw scores in the model, and mean and std of reference answers in the metadata", async () => {
    const { metadata, directory } = await runToEnd(await rewardModel({ epochs: 1, normalizeOn: 1000 }));
    const backend = referenceBackend();
    const { tokenizer } = await tinyModel(2);
    await backend.load({ model: "rm", directory, head: "score", trainable: false });
    const sequences = pairs.flatMap(({ prompt, chosen, rejected }) => [chosen, rejected].map((answer) => encodeAnswer(tokenizer, prompt, answer).tokens));
    const { scores } = await backend.forward("rm", { batch: { sequences, targets: sequences.map(() => new Int32Array(0)) }, quantities: ["scores"] });
    const mean = scores!.reduce((sum, score) => sum + score) / 16;
    const std = Math.sqrt(scores!.reduce((sum, score) => sum + (score - mean) ** 2, 0) / 16);
    expect(metadata.scoreNormalization!.mean).toBeCloseTo(mean, 5);
    expect(metadata.scoreNormalization!.std).toBeCloseTo(std, 5);
  });

  it("ends with the bytes of an uninterrupted stage", async () => {
    const start = await rewardModel({ epochs: 2 });
    const whole = await runToEnd(start);
    for (const steps of [1, 3]) {
      const interrupted = await runInterrupted(start, steps);
      expect(interrupted.files).toEqual(whole.files);
      expect(interrupted.metadata).toEqual(whole.metadata);
    }
  });

  it("can do without the LM term", async () => {
    const { metrics } = await runToEnd(await rewardModel({ epochs: 1, lmCoefficient: 0 }));
    expect(metrics[0]).not.toHaveProperty("loss/lm");
  });

  it("uses as many pairs as it is told", async () => {
    const { metadata } = await runToEnd(await rewardModel({ maxPairs: 5 }));
    expect(metadata.data!["sample"]).toMatchObject({ used: 5 });
  });
});

describe("the pairwise loss", () => {
  it("is −log σ(chosen − rejected) + β · NLL(chosen), computed by hand from scores and log-probabilities", async () => {
    const model = await tinyModel(2);
    const backend = referenceBackend();
    await backend.load({ model: "rm", directory: model.directory, head: "score", newHead: { init: "normal", seed: 5 }, trainable: true });
    const encoded = [pairRow("a", "yes", "no"), pairRow("b", "q", "much longer")].map(pairFitting(model.tokenizer).encode);
    const { losses, statistics } = await backend.step("rm", { parts: [pairLoss(encoded, 0.5)] });

    const rows = [...encoded.map(({ chosen }) => chosen), ...encoded.map(({ rejected }) => rejected)];
    const { scores, logProbabilities } = await backend.forward("rm", {
      quantities: ["scores", "logProbabilities"],
      batch: { sequences: rows.map(({ tokens }) => tokens), targets: rows.map(({ targets }, row) => (row < 2 ? targets : new Int32Array(0))) },
    });
    const differences = [scores![0]! - scores![2]!, scores![1]! - scores![3]!];
    const preference = differences.reduce((sum, d) => sum + Math.log(1 + Math.exp(-d)), 0) / 2;
    const lm = -logProbabilities!.reduce((sum, value) => sum + value) / logProbabilities!.length;
    expect(logProbabilities).toHaveLength("yes".length + 1 + "q".length + 1);
    expect(losses[0]).toBeCloseTo(preference + 0.5 * lm, 5);
    expect(statistics[0]!["preference"]).toBeCloseTo(preference, 5);
    expect(statistics[0]!["lm"]).toBeCloseTo(lm, 5);
    expect(statistics[0]!["margin"]).toBeCloseTo((differences[0]! + differences[1]!) / 2, 5);
    expect(statistics[0]!["accuracy"]).toBe(differences.filter((d) => d > 0).length / 2);
  });

  it("leaves earlier answers of the dialogue out of the LM term", async () => {
    const { tokenizer } = await tinyModel(2);
    const { tokens, targets } = encodeAnswer(tokenizer, [user("a"), assistant("first"), user("b")], "last");
    expect(tokenizer.decode(Array.from(targets, (index) => tokens[index]!))).toBe("last<|end|>");
    expect(tokens.length - 1).toBe(targets.at(-1));
  });
});
