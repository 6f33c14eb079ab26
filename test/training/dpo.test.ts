import { describe, expect, it } from "vitest";
import { stageKinds } from "../../schemas/stages/table.js";
import { createDpo } from "../../training/dpo.js";
import { dpoLoss, pairRows } from "../../training/dpo-loss.js";
import { batchOf } from "../../training/language-loss.js";
import { encodeAnswer, type EncodedPair } from "../../training/pairs.js";
import type { InputArtifact } from "../../training/trainer.js";
import { pairRow, referenceBackend, runInterrupted, runToEnd, stageData, tinyModel, type Start } from "./support.js";

/** Separable, and of unequal lengths. */
const pairs = ["a", "b", "c", "d", "e", "f", "g", "h"].map((prompt) => pairRow(prompt, "yes", "nope"));
const heldOut = ["x", "y", "z"].map((prompt) => pairRow(prompt, "yes", "nope"));

const dpo = async (parameters: Readonly<Record<string, unknown>> = {}, more: Readonly<Record<string, InputArtifact>> = {}): Promise<Start> => {
  const policy = await tinyModel(2);
  return (attempt) => createDpo({
    ...attempt, seed: 3, artifacts: { policy, ...more }, data: { data: stageData({ pairs: { train: pairs, heldOut } }) },
    parameters: stageKinds.dpo.parameters.parse({ kind: "dpo", policy: "sft", data: "sample", batch: 4, epochs: 4, learningRate: 0.01, ...parameters }),
  });
};

describe("DPO", () => {
  it("starts from rewards of 0 and a loss of log 2, and learns to prefer the chosen answers, held-out ones too", async () => {
    const { metrics, metadata } = await runToEnd(await dpo());
    const [first, last] = [metrics[0]!, metrics.at(-1)!];
    expect(first["loss/dpo"]).toBeCloseTo(Math.LN2, 6);
    expect(first["rewards/margins"]).toBeCloseTo(0, 6);
    expect(last["loss/dpo"]).toBeLessThan(0.6);
    expect(last["rewards/accuracies"]).toBe(1);
    expect(last["rewards/margins"]).toBeCloseTo(last["rewards/chosen"]! - last["rewards/rejected"]!, 6);
    expect(last["logps/chosen"]! - first["logps/chosen"]!).toBeGreaterThan(last["logps/rejected"]! - first["logps/rejected"]!);
    expect(metadata.figures["rewards/held_out_accuracies"]).toBe(1);
    expect(metadata.figures["rewards/held_out_margins"]).toBeGreaterThan(0.1);
  });

  it.each(["sigmoid", "hinge", "ipo"])("ends with the bytes of an uninterrupted stage, by the loss %s", async (loss) => {
    const start = await dpo({ loss });
    const whole = await runToEnd(start);
    for (const steps of [1, 5]) {
      const interrupted = await runInterrupted(start, steps);
      expect(interrupted.files).toEqual(whole.files);
      expect(interrupted.metadata).toEqual(whole.metadata);
    }
  });

  it("measures against another reference where one is named", async () => {
    const { metrics } = await runToEnd(await dpo({ maxSteps: 1 }, { reference: await tinyModel(7) }));
    expect(Math.abs(metrics[0]!["rewards/chosen"]!)).toBeGreaterThan(5e-4);
    const adapted = await runToEnd(await dpo({ maxSteps: 1, lora: { rank: 2, alpha: 4 } }, { reference: await tinyModel(7) }));
    expect(adapted.metrics[0]!["rewards/chosen"]).toBeCloseTo(metrics[0]!["rewards/chosen"]!, 6);
  });

  it.each(["sigmoid", "ipo"])("has held-out margins that are those of its training metrics, were the pairs the same: %s", async (loss) => {
    const [policy, reference] = [await tinyModel(2), await tinyModel(7)];
    const same = [...pairs.slice(0, 3), pairRow("d", "yes", "no, never")];
    const { metrics, metadata } = await runToEnd((attempt) => createDpo({
      ...attempt, seed: 3, artifacts: { policy, reference }, data: { data: stageData({ pairs: { train: same, heldOut: same } }) },
      parameters: stageKinds.dpo.parameters.parse({ kind: "dpo", policy: "sft", data: "sample", batch: 4, maxSteps: 1, learningRate: 1e-12, loss }),
    }));
    expect(metadata.figures["rewards/held_out_margins"]).toBeCloseTo(metrics[0]!["rewards/margins"]!, 6);
  });

  it("with lora has its reference under the adapter, and resumes with the same bytes", async () => {
    const lora = { rank: 2, alpha: 4 };
    const start = await dpo({ lora, learningRate: 0.05 });
    const { metrics, files } = await runToEnd(start);
    expect(metrics[0]!["loss/dpo"]).toBeCloseTo(Math.LN2, 6);
    expect(metrics.at(-1)!["rewards/margins"]).toBeGreaterThan(0.04);
    expect(Object.keys(files)).not.toContain("model.safetensors");
    expect((await runInterrupted(start, 5)).files).toEqual(files);
    let loaded = 0;
    const counting = () => {
      const backend = referenceBackend();
      return { ...backend, load: (request: Parameters<typeof backend.load>[0]) => (loaded++, backend.load(request)) };
    };
    await runToEnd(start, { makeBackend: counting });
    expect(loaded).toBe(1);
  });

  it("with held-out rows of no pair says nothing of them", async () => {
    const policy = await tinyModel(2);
    const { metadata, metrics } = await runToEnd((attempt) => createDpo({
      ...attempt, seed: 3, artifacts: { policy }, data: { data: stageData({ pairs: { train: pairs, heldOut: [] } }) },
      parameters: stageKinds.dpo.parameters.parse({ kind: "dpo", policy: "sft", data: "sample", maxSteps: 1 }),
    }));
    expect([...Object.keys(metadata.figures), ...Object.keys(metrics[0]!)].filter((name) => name.includes("held_out"))).toEqual([]);
  });
});

describe("its loss", () => {
  const beta = 0.7;
  const step = async (loss: "sigmoid" | "hinge" | "ipo", labelSmoothing = 0) => {
    const model = await tinyModel(2);
    const backend = referenceBackend();
    await backend.load({ model: "policy", directory: model.directory, head: "language", trainable: true });
    const encoded = pairs.slice(0, 2).map((row, index): EncodedPair => ({
      chosen: encodeAnswer(model.tokenizer, row.prompt, row.chosen), rejected: encodeAnswer(model.tokenizer, row.prompt, index === 0 ? "no" : row.rejected),
    }));
    const rows = pairRows(encoded);
    const now = (await backend.forward("policy", { batch: batchOf(rows), quantities: ["logProbabilities"] })).logProbabilities!;
    const reference = now.map((value, token) => value - 0.3 * Math.sin(3 * token + 1));
    const found = await backend.step("policy", { parts: [dpoLoss(encoded, reference, { loss, beta, labelSmoothing })] });
    let token = 0;
    const ratios = rows.map(({ targets: { length } }) => {
      const sum = [...now].slice(token, token + length).reduce((total, value, index) => total + value - reference[token + index]!, 0);
      token += length;
      return loss === "ipo" ? sum / length : sum;
    });
    return { loss: found.losses[0]!, statistics: found.statistics[0]!, differences: [ratios[0]! - ratios[2]!, ratios[1]! - ratios[3]!], ratios };
  };
  const mean = ([a, b]: readonly number[]): number => (a! + b!) / 2;
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

  it("sigmoid: −log σ(βΔ) over whole answers, labels smoothed", async () => {
    const { loss, statistics, differences, ratios } = await step("sigmoid");
    expect(loss).toBeCloseTo(mean(differences.map((difference) => -Math.log(sigmoid(beta * difference)))), 5);
    expect(statistics["rewards/chosen"]).toBeCloseTo(beta * mean(ratios.slice(0, 2)), 5);
    expect(statistics["rewards/rejected"]).toBeCloseTo(beta * mean(ratios.slice(2)), 5);
    expect(statistics["rewards/margins"]).toBeCloseTo(beta * mean(differences), 5);
    const smoothed = await step("sigmoid", 0.2);
    expect(smoothed.loss).toBeCloseTo(mean(differences.map((difference) => -0.8 * Math.log(sigmoid(beta * difference)) - 0.2 * Math.log(sigmoid(-beta * difference)))), 5);
  });

  it("hinge: max(0, 1 − βΔ)", async () => {
    const { loss, differences } = await step("hinge");
    expect(loss).toBeCloseTo(mean(differences.map((difference) => Math.max(0, 1 - beta * difference))), 5);
  });

  it("ipo: (Δ − 1/(2β))², of log-probabilities per token", async () => {
    const { loss, differences } = await step("ipo");
    expect(loss).toBeCloseTo(mean(differences.map((difference) => (difference - 1 / (2 * beta)) ** 2)), 5);
  });
});
