import { readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { Head, LoadRequest, NewAdapter, OptimizerSettings, StepPart } from "../../../backends/backend.js";
import { constant, logProbabilities, multiply, negate, scores, square } from "../../../backends/expressions.js";
import { describeModel } from "../../../models/configuration.js";
import { readSafetensors } from "../../../models/safetensors.js";
import { batch as batchForm, folder, goldenSteps, numbers, quantities, stepPart } from "./golden.js";
import { type Use, expectAllClose, expectClose, expectFailure, expectNormsClose, loadTiny, randomBatch, writeModel } from "./support.js";

const perQuantity = z.partialRecord(z.enum(quantities), numbers);
const golden = z.strictObject({
  forward: z.strictObject({ batch: batchForm, expected: perQuantity, off: perQuantity }),
  steps: goldenSteps,
});

const adam: OptimizerSettings = { learningRate: 0.05, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, maxGradientNorm: 1 };
const small: NewAdapter = { rank: 2, alpha: 6, targets: ["q_proj", "down_proj"], seed: 4, base: "the base" };
const batch = randomBatch([7, 4, 9]);
const likelihood: StepPart = { batch, arrays: {}, loss: [negate(logProbabilities)], statistics: {} };
const ranking: StepPart = { batch, arrays: {}, loss: [square(scores)], statistics: {} };
const asked = { batch, quantities: ["logProbabilities", "entropy"] } as const;

/** Low-rank adaptation: PEFT's arithmetic and files, weights that stay, checkpoints of what is trained alone. */
export function trainsAdapters(use: Use): void {
  const { lossTolerance, normTolerance, tokenTolerance } = use;
  const fresh = (): Promise<string> => mkdtemp(join(use.directory, "adapter-"));
  const load = (model: string, directory: string, head: Head, request: Partial<LoadRequest>) =>
    use.backend.load({ model, directory, head, trainable: true, ...request });
  const train = async (model: string, part: StepPart, count: number): Promise<void> => {
    for (let index = 0; index < count; index++) await use.backend.step(model, { parts: [part], optimizer: adam });
  };
  const saved = async (model: string, optimizer = true): Promise<{ readonly directory: string; readonly files: Readonly<Record<string, Buffer>> }> => {
    const directory = await fresh();
    await use.backend.save(model, directory, { optimizer });
    const names = (await readdir(directory)).sort();
    return { directory, files: Object.fromEntries(await Promise.all(names.map(async (name) => [name, await readFile(join(directory, name))]))) };
  };

  describe.each(["llama-biased", "qwen2", "llama-score", "llama-value"])("an adapter of PEFT's on %s", (name) => {
    const directory = join(folder, name);
    const adapter = join(directory, "adapter");
    const { forward, steps } = golden.parse(JSON.parse(readFileSync(join(adapter, "expected.json"), "utf8")));
    const wanted = quantities.filter((quantity) => forward.expected[quantity]);
    const headOf = async (): Promise<Head> => (await describeModel(directory)).head;

    it("gives PEFT's quantities, on and off, and folded into the weights", async () => {
      const request = { batch: forward.batch, quantities: wanted };
      await load("adapted", directory, await headOf(), { adapter: { directory: adapter } });
      const on = await use.backend.forward("adapted", request);
      for (const quantity of wanted) expectAllClose(on[quantity]!, forward.expected[quantity]!, tokenTolerance, quantity);
      if (name !== "llama-score" && name !== "llama-value") {
        const off = await use.backend.forward("adapted", { ...request, adapter: "off" });
        for (const quantity of wanted) expectAllClose(off[quantity]!, forward.off[quantity]!, tokenTolerance, `${quantity} without adapter`);
      }
      await load("folded", directory, await headOf(), { adapters: [adapter], trainable: false });
      const folded = await use.backend.forward("folded", request);
      // folded weights are float32 again
      for (const quantity of wanted) expectAllClose(folded[quantity]!, forward.expected[quantity]!, 1e-5, `${quantity}, folded`);
    });

    it("gives PEFT's losses and gradient norms, of the adapter and the head alone", async () => {
      await load("adapted", directory, await headOf(), { adapter: { directory: adapter } });
      for (const { parts, expected } of steps) {
        const found = await use.backend.step("adapted", { parts: parts.map(stepPart), normsByParameter: true });
        expected.losses.forEach((loss, index) => expectClose(found.losses[index]!, loss, lossTolerance, `loss ${index}`, Math.abs(loss)));
        expectClose(found.gradientNorm, expected.gradientNorm, lossTolerance, "norm", expected.gradientNorm);
        expectNormsClose(found.normsByParameter!, expected.normsByParameter, normTolerance);
      }
    });
  });

  describe("a new adapter", () => {
    it("changes nothing at first, learns, and leaves the weights under it as they are", async () => {
      const directory = await loadTiny(use);
      const base = await use.backend.forward("tiny", asked);
      const information = await load("adapted", directory, "language", { adapter: small });
      // two layers, each with q_proj [16, 12] and down_proj [12, 14]
      expect(information.trained).toBe(2 * 2 * (16 + 12 + 12 + 14));
      expect(await use.backend.forward("adapted", asked)).toEqual(base);
      const before = (await use.backend.step("adapted", { parts: [likelihood] })).losses[0]!;
      await train("adapted", likelihood, 6);
      expect((await use.backend.step("adapted", { parts: [likelihood] })).losses[0]).toBeLessThan(0.9 * before);
      expect(await use.backend.forward("adapted", { ...asked, adapter: "off" })).toEqual(base);
    });

    it("starts from its seed, A within ±1/√input and B zero", async () => {
      const directory = await loadTiny(use);
      const made = async (seed: number) => {
        await load("adapted", directory, "language", { adapter: { ...small, targets: "all-linear", seed } });
        return readSafetensors(join((await saved("adapted")).directory, "adapter_model.safetensors"));
      };
      const [one, same, other] = [await made(4), await made(4), await made(5)];
      expect(same.tensors).toEqual(one.tensors);
      expect(other.tensors).not.toEqual(one.tensors);
      expect(one.tensors.size).toBe(2 * 7 * 2);
      for (const [name, { shape: [, input = 0], data }] of one.tensors) {
        const most = data.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
        if (name.endsWith("lora_B.weight")) expect(most).toBe(0);
        else expect(most * Math.sqrt(input)).toSatisfy((bound: number) => bound > 0.8 && bound <= 1);
      }
    });

    it("is saved in PEFT's files, without the weights, and folded in again gives the same", async () => {
      const directory = await loadTiny(use);
      await load("adapted", directory, "language", { adapter: small });
      await train("adapted", likelihood, 3);
      const on = await use.backend.forward("adapted", asked);
      const written = await saved("adapted");
      expect(Object.keys(written.files)).toEqual(["adapter_config.json", "adapter_model.safetensors", "optimizer.safetensors"]);
      expect(JSON.parse(written.files["adapter_config.json"]!.toString())).toMatchObject({
        peft_type: "LORA", task_type: "CAUSAL_LM", r: 2, lora_alpha: 6, target_modules: ["q_proj", "down_proj"], base_model_name_or_path: "the base", modules_to_save: null,
      });
      const { tensors } = await readSafetensors(join(written.directory, "adapter_model.safetensors"));
      expect([...tensors.keys()].sort()).toEqual([0, 1].flatMap((layer) => ["mlp.down_proj", "self_attn.q_proj"].flatMap((module) =>
        ["A", "B"].map((matrix) => `base_model.model.model.layers.${layer}.${module}.lora_${matrix}.weight`))));

      await load("folded", directory, "language", { adapters: [written.directory], trainable: false });
      const folded = await use.backend.forward("folded", asked);
      for (const quantity of asked.quantities) expectAllClose(folded[quantity]!, on[quantity]!, 1e-5, quantity);
      const request = { prompts: [Int32Array.of(3, 4, 5), Int32Array.of(7)], maxNewTokens: 8, temperature: 0, endTokens: [], uniforms: new Float32Array() };
      const [answers, others] = [await use.backend.generate("adapted", request), await use.backend.generate("folded", request)];
      expect(answers.tokens).toEqual(others.tokens);
      answers.logProbabilities.forEach((row, index) => expectAllClose(row, others.logProbabilities[index]!, 1e-5, "of answers"));
      await train("adapted", likelihood, 1);
      const later = await use.backend.generate("adapted", { ...request, temperature: 1, uniforms: new Float32Array(16).fill(0.5) });
      const whole = { sequences: later.tokens.map((row, index) => Int32Array.from([...request.prompts[index]!, ...row])), targets: later.tokens.map((row, index) => Int32Array.from(row, (_, at) => request.prompts[index]!.length + at)) };
      const { logProbabilities: again } = await use.backend.forward("adapted", { batch: whole, quantities: ["logProbabilities"] });
      expectAllClose(later.logProbabilities.flatMap((row) => [...row]), again!, 1e-5, "after an update");
    });

    it("continues from a checkpoint with the bytes of one that was never interrupted", async () => {
      const directory = await loadTiny(use);
      await load("adapted", directory, "score", { newHead: { init: "normal", seed: 2 }, adapter: small });
      await train("adapted", ranking, 2);
      const checkpoint = await saved("adapted");
      expect(JSON.parse(checkpoint.files["adapter_config.json"]!.toString())).toMatchObject({ task_type: "SEQ_CLS", modules_to_save: ["score"] });
      expect(await load("resumed", directory, "score", { adapter: { directory: checkpoint.directory }, optimizer: true })).toMatchObject({ headIsNew: false });
      await train("adapted", ranking, 2);
      await train("resumed", ranking, 2);
      const [straight, resumed] = [await saved("adapted"), await saved("resumed")];
      expect(resumed.files).toEqual(straight.files);
      expect(straight.files["adapter_model.safetensors"]).not.toEqual(checkpoint.files["adapter_model.safetensors"]);
    });

    it("stands on another, with the head that it brings", async () => {
      const directory = await loadTiny(use);
      await load("reward", directory, "score", { newHead: { init: "normal", seed: 2 }, adapter: small });
      await train("reward", ranking, 3);
      const below = await saved("reward", false);
      const { scores: wanted } = await use.backend.forward("reward", { batch, quantities: ["scores"] });
      const stack: Partial<LoadRequest> = { adapters: [below.directory], adapter: { ...small, targets: ["v_proj"] }, newHead: { init: "fromScore", mean: 0.5, std: 2 } };
      expect(await load("critic", directory, "value", stack)).toMatchObject({ headIsNew: true });
      const prefixes = { sequences: batch.sequences.flatMap((row) => [row, Int32Array.from([...row, 0])]), targets: batch.sequences.flatMap((row) => [new Int32Array(), Int32Array.of(row.length)]) };
      const { values } = await use.backend.forward("critic", { batch: prefixes, quantities: ["values"] });
      expectAllClose(values!, wanted!.map((score) => (score - 0.5) / 2), 1e-5, "values");
      await train("critic", { batch, arrays: {}, loss: [square({ op: "values" })], statistics: {} }, 1);
      const { tensors } = await readSafetensors(join((await saved("critic", false)).directory, "adapter_model.safetensors"));
      expect([...tensors.keys()]).toEqual(expect.arrayContaining(["base_model.model.score.weight", "base_model.model.score.bias"]));
    });

    it("decays its matrices, not what lies under it", async () => {
      const directory = await loadTiny(use);
      await load("adapted", directory, "language", { adapter: small });
      const read = async () => (await readSafetensors(join((await saved("adapted", false)).directory, "adapter_model.safetensors"))).tensors;
      const before = await read();
      await use.backend.step("adapted", { parts: [{ ...likelihood, loss: [multiply(constant(0), logProbabilities)] }], optimizer: { ...adam, learningRate: 0.5, weightDecay: 0.5 } });
      for (const [name, { data }] of await read()) data.forEach((value, at) => expectClose(value, 0.75 * before.get(name)!.data[at]!, 1e-6, name));
    });
  });

  describe("refuses an adapter", () => {
    it.each([
      ["on layers that are not there", { ...small, targets: ["q_prj"] }, /"q_prj"/, /q_proj/],
      ["without rank", { ...small, rank: 0 }, /rank is 0/, /1 on/],
      ["that is scaled to nothing", { ...small, alpha: 0 }, /alpha is 0/, /above 0/],
    ] as const)("%s", async (_, adapter, names, hint) => {
      const directory = await loadTiny(use);
      const error = await expectFailure(load("adapted", directory, "language", { adapter }), "TL_BACKEND_REQUEST_INVALID");
      expect(error.message).toMatch(names);
      expect(error.hint).toMatch(hint);
    });

    it("of a model that is only read, and asks none of a model to be off that has none", async () => {
      const directory = await loadTiny(use);
      await expectFailure(load("adapted", directory, "language", { adapter: small, trainable: false }), "TL_BACKEND_NOT_TRAINABLE");
      await expectFailure(use.backend.forward("tiny", { ...asked, adapter: "off" }), "TL_BACKEND_REQUEST_INVALID");
    });

    it("that was made for another model, or is not there", async () => {
      const directory = await loadTiny(use);
      await load("adapted", directory, "language", { adapter: small });
      const { directory: adapter } = await saved("adapted", false);
      const other = await fresh();
      await writeModel(other, "language", { layers: 1 });
      const stranger = await expectFailure(load("other", other, "language", { adapters: [adapter], trainable: false }), "TL_MODEL_TENSORS");
      expect(stranger.message).toContain("model.layers.1");
      await writeModel(other, "language", { intermediate: 6 });
      await expectFailure(load("other", other, "language", { adapter: { directory: adapter } }), "TL_MODEL_TENSORS");
      await expectFailure(load("other", other, "language", { adapters: [other], trainable: false }), "TL_MODEL_MISSING");
    });

    it("whose checkpoint lacks the optimizer", async () => {
      const directory = await loadTiny(use);
      await load("adapted", directory, "language", { adapter: small });
      const { directory: adapter } = await saved("adapted", false);
      await expectFailure(load("resumed", directory, "language", { adapter: { directory: adapter }, optimizer: true }), "TL_BACKEND_OPTIMIZER_MISSING");
    });
  });
}
