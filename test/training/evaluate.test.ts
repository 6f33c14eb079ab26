import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { PairRow } from "../../data/types.js";
import { answeredPromptSchema, reportSchema } from "../../schemas/report.js";
import { stageKinds } from "../../schemas/stages/table.js";
import { createEvaluate } from "../../training/evaluate.js";
import type { InputArtifact } from "../../training/trainer.js";
import { pairRow, promptRow, referenceBackend, runInterrupted, runToEnd, stageData, temporaryDirectory, tinyModel, tinyRewardModel, type Start } from "./support.js";

const prompts = ["ab", "cd", "ef", "gh", "ij", "kl"].map((text, index) => promptRow(text, { language: index < 2 ? "en" : "zh" }));
const pairs = ["a", "b", "c"].map((prompt) => pairRow(prompt, "yes", "no"));

/** A reward model with a random head. */
async function rewardModel(): Promise<InputArtifact> {
  const { directory: from } = await tinyModel(9);
  const directory = await temporaryDirectory();
  const { tokenizer } = await tinyModel(9);
  const backend = referenceBackend();
  await backend.load({ model: "rm", directory: from, head: "score", newHead: { init: "normal", seed: 1 }, trainable: false });
  await backend.save("rm", directory, { optimizer: false });
  await tokenizer.copyTo(directory);
  return { type: "reward-model", directory, metadata: { figures: {}, scoreNormalization: { mean: 0.5, std: 0.01 } } };
}

const evaluate = async (
  parameters: Readonly<Record<string, unknown>> = {}, seeds: readonly [number, number] = [1, 2], heldOutPairs: readonly PairRow[] = pairs,
): Promise<Start> => {
  const [candidate, baseline, reward] = [await tinyModel(seeds[0]), await tinyModel(seeds[1]), await rewardModel()];
  const heldOutReward = parameters["heldOutReward"] === undefined ? undefined : await tinyRewardModel(4);
  return (attempt) => createEvaluate({
    ...attempt, seed: 3, artifacts: { candidate, baseline, ...(typeof parameters["reward"] !== "object" && { reward }), ...(heldOutReward && { heldOutReward }) },
    data: {
      prompts: stageData({ prompts: { train: [promptRow("never seen")], heldOut: prompts } }),
      pairs: stageData({ pairs: { train: [pairRow("t", "t", "u")], heldOut: heldOutPairs } }),
    },
    parameters: stageKinds.evaluate.parameters.parse({
      kind: "evaluate", candidate: "ppo", baseline: "sft", reward: "rm", prompts: "p", pairs: "q", batch: 4, maxNewTokens: 6, baselineSamples: 2, temperature: 1, ...parameters,
    }),
  });
};

const read = async (directory: string) => {
  const report = reportSchema.parse(JSON.parse(await readFile(join(directory, "report.json"), "utf8")));
  const lines = (await readFile(join(directory, "answers.jsonl"), "utf8")).trimEnd().split("\n");
  return { report, answers: lines.map((line) => answeredPromptSchema.parse(JSON.parse(line))) };
};

describe("evaluation", () => {
  it("answers every held-out prompt and no other, and compares each with as many baseline answers as asked", async () => {
    const { directory, metrics } = await runToEnd(await evaluate());
    const { report, answers } = await read(directory);
    expect(answers.map(({ prompt }) => prompt[0]!.content).sort()).toEqual(["ab", "cd", "ef", "gh", "ij", "kl"]);
    expect(answers.every(({ baseline }) => baseline.length === 2)).toBe(true);
    expect(report.overall.prompts).toBe(6);
    expect(report.groups.map(({ value, prompts: count }) => [value, count])).toEqual([["en", 2], ["zh", 4]]);
    expect(metrics).toHaveLength(2 + 1);
  });

  it("lets a module judge, whose scores are the proxy of both sides", async () => {
    const path = join(await temporaryDirectory(), "reward.mjs");
    await writeFile(path, "export const reward = (answers) => answers.map(({ prompt, answer }) => prompt.at(-1).content.charCodeAt(0) + answer.length);");
    const start = await evaluate({ reward: { module: "reward.mjs", normalize: { mean: 100, std: 2 } }, pairs: undefined });
    const { directory, metadata } = await runToEnd((attempt) => start({ ...attempt, files: { reward: { path } } }));
    const { report, answers } = await read(directory);
    expect(report.judge).toBe("reward");
    for (const { prompt, candidate, baseline } of answers) {
      for (const answer of [candidate, ...baseline]) expect(answer.proxy).toBe((prompt[0]!.content.charCodeAt(0) + answer.text.length - 100) / 2);
    }
    expect(metadata.figures).toHaveProperty("eval/proxy_baseline");
  });

  it("measures KL and perplexity as the models themselves see the answers", async () => {
    const { directory, metadata } = await runToEnd(await evaluate({ temperature: 0.7 }));
    const { answers } = await read(directory);
    const backend = referenceBackend();
    const models = [await tinyModel(1), await tinyModel(2)] as const;
    const sums: number[][] = [];
    for (const [index, model] of models.entries()) {
      await backend.load({ model: String(index), directory: model.directory, head: "language", trainable: false });
      sums.push([]);
      for (const { prompt, candidate } of answers.filter(({ candidate: { finished } }) => !finished)) {
        const tokens = model.tokenizer.encodePrompt(prompt);
        const answer = model.tokenizer.encode(candidate.text);
        if (answer.length !== candidate.tokens) continue; // bytes that make no text can't be had back from it
        const { logProbabilities } = await backend.forward(String(index), {
          batch: { sequences: [Int32Array.from([...tokens, ...answer])], targets: [Int32Array.from(answer, (_, at) => tokens.length + at)] },
          quantities: ["logProbabilities"], temperature: 0.7,
        });
        sums[index]!.push(logProbabilities!.reduce((sum, value) => sum + value, 0));
        expect(index === 0 ? candidate.logProbability : candidate.baselineLogProbability).toBeCloseTo(sums[index]!.at(-1)!, 4);
      }
    }
    const differences = answers.map(({ candidate }) => candidate.logProbability! - candidate.baselineLogProbability!);
    expect(metadata.figures["eval/kl"]).toBeCloseTo(differences.reduce((sum, value) => sum + value) / 6, 10);
  });

  it("finds no KL of a model to itself", async () => {
    const { metadata } = await runToEnd(await evaluate({}, [1, 1]));
    expect(metadata.figures["eval/kl"]).toBeCloseTo(0, 5);
    expect(metadata.figures["eval/net_win_rate_low"]).toBeLessThanOrEqual(0);
    expect(metadata.figures["eval/net_win_rate_high"]).toBeGreaterThanOrEqual(0);
  });

  it("gives normalised scores, and accuracy of the reward model on held-out pairs", async () => {
    const { directory, metadata } = await runToEnd(await evaluate());
    const { report, answers } = await read(directory);
    expect(Math.abs(answers[0]!.candidate.proxy!)).toBeGreaterThan(5); // (score − 0.5) / 0.01
    expect(report.rewardModel!.differences).toHaveLength(3);
    expect(metadata.figures["rm/accuracy"]).toBe(report.rewardModel!.differences.filter((value) => value > 0).length / 3);
  });

  it("ends with the bytes of an uninterrupted stage, stopped among prompts or before the pairs", async () => {
    const start = await evaluate();
    const whole = await runToEnd(start);
    for (const steps of [1, 2]) {
      const interrupted = await runInterrupted(start, steps);
      expect(interrupted.files).toEqual(whole.files);
      expect(interrupted.metadata).toEqual(whole.metadata);
    }
  });

  it("takes baseline answers from a file, and asks only the prompts that it answers", async () => {
    const file = join(await temporaryDirectory(), "answers.jsonl");
    const rows = [["ab", "one"], ["ab", "two"], ["gh", "three"], ["unknown", "four"]];
    await writeFile(file, rows.map(([prompt, response]) => `${JSON.stringify({ prompt, response })}\n`).join(""));
    const { directory, metadata } = await runToEnd(await evaluate({ baseline: { answers: file } }));
    const { report, answers } = await read(directory);
    expect(Object.fromEntries(answers.map(({ prompt, baseline }) => [prompt[0]!.content, baseline.map(({ text }) => text)])))
      .toEqual({ ab: ["one", "two"], gh: ["three"] });
    expect(report.baselineIs).toBe("answers");
    expect(metadata.figures).not.toHaveProperty("eval/kl");
    expect(metadata.figures["eval/length_baseline"]).toBeCloseTo((4 + 4 + 6) / 3, 10);
  });

  it("has several judges decide, each by its own scores, the first one's verdict being the headline", async () => {
    const { directory, metadata } = await runToEnd(await evaluate({ heldOutReward: "other", judges: ["held-out-reward-model", "reward-model"] }));
    const { report, answers } = await read(directory);
    expect(report.judge).toBe("held-out-reward-model");
    const outcome = (ours: number, theirs: number) => (Math.abs(ours - theirs) <= 0.05 ? "tie" : ours > theirs ? "win" : "lose");
    for (const { candidate, baseline, verdicts } of answers) {
      expect(verdicts).toEqual({
        "held-out-reward-model": baseline.map((answer) => outcome(candidate.heldOutProxy!, answer.heldOutProxy!)),
        "reward-model": baseline.map((answer) => outcome(candidate.proxy!, answer.proxy!)),
      });
    }
    expect(answers.some(({ verdicts }) => verdicts!["reward-model"]!.join() !== verdicts!["held-out-reward-model"]!.join())).toBe(true);
    expect(report.judges!.tables.map(({ judge, groups }) => [judge, groups.length])).toEqual([["held-out-reward-model", 3], ["reward-model", 3]]);
    expect(report.judges!.agreement.map(({ judges, comparisons }) => [...judges, comparisons])).toEqual([["held-out-reward-model", "reward-model", 12]]);
    expect(metadata.figures["eval/win_rate"]).toBe(metadata.figures["judge/held-out-reward-model/win_rate"]);
    expect(report.samples.every(({ verdicts, outcome: shown }) => verdicts!["held-out-reward-model"]!.join() === shown)).toBe(true);
  });

  it("says nothing of judges where the stage lists none", async () => {
    const { directory } = await runToEnd(await evaluate());
    expect(await readFile(join(directory, "report.json"), "utf8")).not.toContain("judges");
    expect(await readFile(join(directory, "answers.jsonl"), "utf8")).not.toContain("verdicts");
  });

  it("needs a judge", async () => {
    const candidate = await tinyModel(1);
    const start: Start = (attempt) => createEvaluate({
      ...attempt, seed: 3, artifacts: { candidate, baseline: candidate }, data: { prompts: stageData({ prompts: { train: [], heldOut: prompts } }) },
      parameters: stageKinds.evaluate.parameters.parse({ kind: "evaluate", candidate: "ppo", baseline: "sft", prompts: "p", maxNewTokens: 6 }),
    });
    await expect(runToEnd(start)).rejects.toMatchObject({ code: "TL_SPEC_CONFLICT" });
  });
});
