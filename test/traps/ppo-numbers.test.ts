import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createOnnxBackend } from "../../backends/onnx/embedded.js";
import type { Backend } from "../../backends/backend.js";
import { trickParameters } from "../../schemas/tricks.js";
import { mean, rowSums } from "../../training/experience.js";
import { Objective } from "../../training/objective.js";
import { rolloutMetrics } from "../../training/rollout-metrics.js";
import { BatchOrder } from "../../training/batches.js";
import { modelScores } from "../../training/rewards/reward-model.js";
import { sampleRollouts, type Rollouts } from "../../training/rollouts.js";
import { artifactOf, attemptAt, Bench, Calls } from "./computing.js";

const models = { policy: "policy", reference: { model: "reference" }, reward: "reward", critic: "critic" };

async function embedded(): Promise<Backend> {
  const backend = await createOnnxBackend({ threads: 1, executionProviders: [] });
  onTestFinished(() => backend.close());
  return backend;
}

/** Answers of many lengths, most of which end by themselves: a fifth of the vocabulary are end tokens. */
async function rollouts(backend: Backend, missingEndPenalty = 0): Promise<Rollouts & { readonly endTokens: readonly number[] }> {
  const bench = await Bench.forTest();
  const load = (model: string, directory: string, head: "language" | "score" | "value") => backend.load({
    model, directory: join(bench.directory, directory), head, trainable: false, ...(head === "value" && { newHead: { init: "normal" as const, seed: 1 } }),
  });
  await load("policy", "policy", "language");
  await load("reference", "body", "language");
  await load("critic", "policy", "value");
  await load("reward", "reward", "score");
  const endTokens = Array.from({ length: 53 }, (_, index) => index * 5);
  const prompts = [[5, 6, 7], [8], [9, 10, 11, 12, 13]].map((tokens, row) => ({ tokens: Int32Array.from(tokens), row }));
  const found = await sampleRollouts(backend, models, async (sampled) => ({ scores: await modelScores(backend, "reward", { mean: 0, std: 1 })(sampled), metrics: {} }), { at: (iteration) => new BatchOrder(1, prompts.length, 12).at(iteration).map((index) => prompts[index]!) }, {
    seed: 1, maxNewTokens: 6, temperature: 0.8, topP: 1, topK: 0, repetitionPenalty: 1, endTokens, missingEndPenalty,
  }, 0);
  return { ...found, endTokens };
}

describe("the score of an answer", () => {
  it("lands on its end token, never on what fills a batch behind it, whatever lengths the batch holds [trl#3750]", async () => {
    const backend = await embedded();
    const { answers, finished, offsets, sequences, scores, endTokens, ...rest } = await rollouts(backend);
    expect(new Set(answers.map(({ length }) => length)).size).toBeGreaterThan(3);
    expect(new Set(finished)).toEqual(new Set([true, false]));
    answers.forEach((answer, row) => {
      expect(Array.from(answer, (token) => endTokens.includes(token)), `row ${row}`).toEqual(Array.from(answer, (_, at) => finished[row]! && at === answer.length - 1));
    });

    const { rewards } = new Objective({}, 0.8).prepare({ ...rest, finished, offsets, sequences, scores });
    answers.forEach((answer, row) => {
      const expected = Array.from(answer, (_, at) => at === answer.length - 1 ? scores[row] : 0);
      expect(Array.from(rewards.subarray(offsets[row], offsets[row + 1])), `row ${row}`).toEqual(expected);
    });

    for (const [row, sequence] of sequences.entries()) {
      const alone = await backend.forward("reward", { batch: { sequences: [sequence], targets: [new Int32Array(0)] }, quantities: ["scores"] });
      expect(alone.scores![0], `row ${row} alone`).toBeCloseTo(scores[row]!, 5);
    }
  });

  it("loses the penalty for a missing end where an answer was cut, and there alone [trl#3750]", async () => {
    const { finished, rawScores, scores } = await rollouts(await embedded(), 2);
    expect(Array.from(scores, (score, row) => rawScores[row]! - score)).toEqual(finished.map((ended) => ended ? 0 : expect.closeTo(2, 6) as number));
  });
});

describe("the sampling temperature", () => {
  it("is in every log-probability: of the policy when it samples, when it is updated, and of the reference [OpenRLHF PR#853]", async () => {
    const bench = await Bench.forTest();
    const store = bench.emptyStore();
    const stage = await bench.ppo({ steps: 1, rollouts: 8, minibatch: 8, temperature: 0.1 });
    await attemptAt(store, stage);
    const [first] = (await artifactOf(store, stage)).metrics;
    expect(Math.abs(first!["objective/kl"]!), "the reference is the policy").toBeLessThan(1e-4);
    expect(Math.abs(first!["val/ratio"]! - 1), "nothing has been updated yet").toBeLessThan(1e-4);
    expect(first!["policy/approxkl"]!).toBeLessThan(1e-8);
  });

  it("divides the logits that are sampled from: what is drawn has the likelihood that is told of it [OpenRLHF PR#853]", async () => {
    const backend = await embedded();
    const bench = await Bench.forTest();
    await backend.load({ model: "policy", directory: join(bench.directory, "policy"), head: "language", trainable: false });
    const prompt = Int32Array.from([5, 6, 7]);
    for (const temperature of [0.1, 1, 3]) {
      const { tokens, logProbabilities } = await backend.generate("policy", { prompts: [prompt], maxNewTokens: 4, temperature, endTokens: [], uniforms: Float32Array.of(0.1, 0.5, 0.9, 0.3) });
      const sequence = Int32Array.from([...prompt, ...tokens[0]!]);
      const found = await backend.forward("policy", { batch: { sequences: [sequence], targets: [Int32Array.of(3, 4, 5, 6)] }, quantities: ["logProbabilities"], temperature });
      expect(Array.from(logProbabilities[0]!)).toEqual(Array.from(found.logProbabilities!, (value) => expect.closeTo(value, 4) as number));
    }
  });
});

describe("the KL that is logged", () => {
  it("is the one that the reward pays: k1 summed over each answer's own tokens, nothing that fills a batch among them [trl#1161, trl#1005]", async () => {
    const found = await rollouts(await embedded());
    const coefficient = 0.25;
    const { rewards } = new Objective({ klPenalty: { coefficient } }, 0.8).prepare(found);
    const paid = rowSums(rewards, found.offsets).map((sum, row) => (found.scores[row]! - sum) / coefficient);
    const logged = rolloutMetrics(found);
    expect(Math.abs(logged["objective/kl"]!)).toBeGreaterThan(0.01);
    expect(logged["objective/kl"]).toBeCloseTo(mean(paid), 6);
    expect(logged["objective/kl_per_token"]).toBeCloseTo(paid.reduce((sum, each) => sum + each, 0) / found.answers.reduce((sum, { length }) => sum + length, 0), 6);
    expect(trickParameters.klPenalty.description).toContain("k1");
  });

  it("may be below zero for some answers, and is then paid and logged with its sign [trl#925]", async () => {
    const found = await rollouts(await embedded());
    // Where the reference finds the sampled tokens likelier than the policy does, the estimate is negative.
    const below = { ...found, referenceLogProbabilities: found.policyLogProbabilities.map((value) => value + 0.5) };
    const { rewards } = new Objective({ klPenalty: { coefficient: 0.1 } }, 0.8).prepare({ ...below, scores: new Float64Array(12) });
    expect(Array.from(rewards)).toEqual(Array.from(rewards, () => expect.closeTo(0.05, 6) as number));
    const lengths = found.answers.map(({ length }) => length);
    expect(rolloutMetrics(below)["objective/kl"]).toBeCloseTo(-0.5 * mean(lengths), 5);
  });

  it("tells when filters make the answers come from another distribution than their log-probabilities [trl#925]", async () => {
    const bench = await Bench.forTest();
    const store = bench.emptyStore();
    const stage = await bench.ppo({ steps: 1, topP: 0.5 });
    await attemptAt(store, stage);
    expect((await artifactOf(store, stage)).metrics[0]!["objective/filter_discrepancy"]).toBeGreaterThan(0.1);
  });
});

describe("a model whose weights hold a NaN", () => {
  /** The last weight of the file is the last norm's, which every token passes. */
  async function poisoned(bench: Bench): Promise<string> {
    const path = join(bench.directory, "policy", "model.safetensors");
    const bytes = await readFile(path);
    bytes.writeFloatLE(NaN, bytes.length - 4);
    await writeFile(path, bytes);
    return join(bench.directory, "policy");
  }

  it("ends sampling at its first token with an error, instead of garbage: plain, filtered and greedy [trl#229, trl#1941]", async () => {
    const backend = await embedded();
    await backend.load({ model: "policy", directory: await poisoned(await Bench.forTest()), head: "language", trainable: false });
    for (const settings of [{ temperature: 1 }, { temperature: 1, topP: 0.9, topK: 5 }, { temperature: 0 }]) {
      await expect(backend.generate("policy", {
        prompts: [Int32Array.of(5, 6)], maxNewTokens: 40, endTokens: [], uniforms: new Float32Array(40).fill(0.5), ...settings,
      })).rejects.toMatchObject({ code: "TL_BACKEND_NOT_FINITE", entry: { retry: false }, message: expect.stringContaining("new token 0 of prompt 0") as string });
    }
  });

  it("fails its PPO stage at once and for good, before any update [trl#1941]", async () => {
    const bench = await Bench.forTest();
    await poisoned(bench);
    const calls = new Calls();
    await expect(attemptAt(bench.emptyStore(), await bench.ppo(), { calls })).rejects.toMatchObject({ type: "TL_BACKEND_NOT_FINITE", nonRetryable: true });
    expect(calls.updates).toEqual([]);
  });
});
