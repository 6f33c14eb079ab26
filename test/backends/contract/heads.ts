import { mkdtemp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Batch, Head } from "../../../backends/backend.js";
import { describeModel } from "../../../models/configuration.js";
import { readSafetensors, writeSafetensors } from "../../../models/safetensors.js";
import { parameterShapes } from "../../../models/parameters.js";
import { type Use, biased, expectAllClose, expectFailure, loadTiny, randomBatch, tiny, tokensOf, writeModel } from "./support.js";

const batch = randomBatch([5, 3, 8]);
const heads: readonly Head[] = ["language", "score", "value"];

/** Every prefix of the rows as a row of its own, up to the token before each target: what a value reads. */
const prefixes: Batch = {
  sequences: batch.sequences.flatMap((sequence, row) => Array.from(batch.targets[row]!, (target) => sequence.slice(0, target))),
  targets: Array.from({ length: tokensOf(batch) }, () => new Int32Array()),
};

/** Loading, saving, and the making of heads. */
export function loadsAndSaves(use: Use): void {
  const fresh = (): Promise<string> => mkdtemp(join(use.directory, "heads-"));

  describe.each(heads)("a %s model", (head) => {
    it.each([["tied", {}], ["untied and biased", biased]] as const)("is saved as it was loaded, %s", async (_, change) => {
      const from = await loadTiny(use, head, change);
      const to = await fresh();
      await use.backend.save("tiny", to, { optimizer: false });
      expect(await readFile(join(to, "model.safetensors"))).toEqual(await readFile(join(from, "model.safetensors")));
      expect(await describeModel(to)).toEqual(await describeModel(from));
    });

    it("tells its size", async () => {
      const directory = await fresh();
      await writeModel(directory, head);
      const information = await use.backend.load({ model: "tiny", directory, head, trainable: false });
      const parameters = [...parameterShapes(tiny, head).values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b), 0);
      expect(information).toEqual({ parameters, trained: 0, vocabulary: 23, context: 24, headIsNew: false });
    });
  });

  describe("a new head", () => {
    const load = (directory: string, head: Head, newHead?: Parameters<Use["backend"]["load"]>[0]["newHead"]) =>
      use.backend.load({ model: "tiny", directory, head, trainable: true, newHead });

    it("is never made unasked", async () => {
      const directory = await fresh();
      await writeModel(directory, "language");
      for (const head of ["score", "value"] as const) await expectFailure(load(directory, head), "TL_BACKEND_HEAD_MISSING");
    });

    it("of zeros answers 0", async () => {
      const directory = await fresh();
      await writeModel(directory, "language");
      expect(await load(directory, "value", { init: "zero" })).toMatchObject({ headIsNew: true });
      const { values } = await use.backend.forward("tiny", { batch, quantities: ["values"] });
      expect([...values!]).toEqual(Array.from({ length: tokensOf(batch) }, () => 0));
    });

    it("drawn from a seed is the same for the same seed, near 1/√(hidden + 1), and without bias", async () => {
      const directory = await fresh();
      await writeModel(directory, "language", { hidden: 400 });
      const weights = async (seed: number): Promise<Float32Array> => {
        expect(await load(directory, "value", { init: "normal", seed })).toMatchObject({ headIsNew: true });
        const to = await fresh();
        await use.backend.save("tiny", to, { optimizer: false });
        const { tensors } = await readSafetensors(join(to, "model.safetensors"));
        expect(tensors.get("score.bias")!.data[0]).toBe(0);
        return tensors.get("score.weight")!.data;
      };
      const first = await weights(1);
      expect(await weights(1)).toEqual(first);
      expect(await weights(2)).not.toEqual(first);
      const spread = Math.hypot(...first) / Math.sqrt(first.length) * Math.sqrt(401);
      expect(spread).toBeGreaterThan(0.85);
      expect(spread).toBeLessThan(1.15);
    });

    it("from a score head values every prefix by its normalised score", async () => {
      const directory = await loadTiny(use, "score");
      const { scores } = await use.backend.forward("tiny", { batch: prefixes, quantities: ["scores"] });
      expect(await load(directory, "value", { init: "fromScore", mean: 0.7, std: 2.5 })).toMatchObject({ headIsNew: true });
      const { values } = await use.backend.forward("tiny", { batch, quantities: ["values"] });
      expectAllClose(values!, scores!.map((score) => (score - 0.7) / 2.5), 10 * use.tokenTolerance, "values");
    });

    it("can't come from scores that do not vary", async () => {
      const directory = await loadTiny(use, "score");
      for (const std of [0, NaN]) await expectFailure(load(directory, "value", { init: "fromScore", mean: 0, std }), "TL_BACKEND_REQUEST_INVALID");
    });

    it("is not made where there is one of the asked kind", async () => {
      const directory = await loadTiny(use, "value");
      const { values } = await use.backend.forward("tiny", { batch, quantities: ["values"] });
      expect(await load(directory, "value", { init: "zero" })).toMatchObject({ headIsNew: false });
      expect((await use.backend.forward("tiny", { batch, quantities: ["values"] })).values).toEqual(values);
    });

    it("can't come from a score head that is not there", async () => {
      const directory = await fresh();
      await writeModel(directory, "language");
      await expectFailure(load(directory, "value", { init: "fromScore", mean: 0, std: 1 }), "TL_BACKEND_HEAD_MISSING");
    });
  });

  it.each([["tied", {}], ["untied", biased]] as const)("a reward model is a language model still, %s", async (_, change) => {
    const directory = await loadTiny(use, "score", change);
    const asScore = await use.backend.forward("tiny", { batch, quantities: ["logProbabilities"] });
    await use.backend.load({ model: "tiny", directory, head: "language", trainable: false });
    expect(await use.backend.forward("tiny", { batch, quantities: ["logProbabilities"] })).toEqual(asScore);
  });

  it("a reward model that transformers saved without its LM head scores, and says that it has no log-probabilities", async () => {
    const directory = await loadTiny(use, "score", biased);
    const { scores } = await use.backend.forward("tiny", { batch, quantities: ["scores"] });
    const path = join(directory, "model.safetensors");
    const { tensors } = await readSafetensors(path);
    await writeSafetensors(path, [...tensors].filter(([name]) => name !== "lm_head.weight"));
    await use.backend.load({ model: "tiny", directory, head: "score", trainable: true });
    expect((await use.backend.forward("tiny", { batch, quantities: ["scores"] })).scores).toEqual(scores);
    const { gradientNorm } = await use.backend.step("tiny", { parts: [{ batch, arrays: {}, loss: [{ op: "scores" }], statistics: {} }] });
    expect(gradientNorm).toBeGreaterThan(0);
    await expectFailure(use.backend.forward("tiny", { batch, quantities: ["logProbabilities"] }), "TL_BACKEND_QUANTITY_MISSING");
    await use.backend.save("tiny", directory, { optimizer: false });
    expect((await readSafetensors(path)).tensors.has("lm_head.weight")).toBe(false);
  });

  it("features are the states that the score head reads, of a value model too", async () => {
    for (const head of ["score", "value"] as const) {
      const { tensors } = await readSafetensors(join(await loadTiny(use, head), "model.safetensors"));
      const [weight, bias] = [tensors.get("score.weight")!.data, tensors.get("score.bias")?.data[0] ?? 0];
      const { features } = await use.backend.forward("tiny", { batch: prefixes, quantities: ["features"] });
      const read = prefixes.sequences.map((_, row) => weight.reduce((sum, value, at) => sum + value * features![row * weight.length + at]!, bias));
      const wanted = head === "score"
        ? (await use.backend.forward("tiny", { batch: prefixes, quantities: ["scores"] })).scores!
        : (await use.backend.forward("tiny", { batch, quantities: ["values"] })).values!;
      expectAllClose(read, wanted, 10 * use.tokenTolerance, head);
    }
  });

  it("models live under their names, replaced by a second load and gone after unload", async () => {
    const value = await loadTiny(use, "value");
    await use.backend.load({ model: "other", directory: value, head: "value", trainable: false });
    await loadTiny(use, "language");
    expect((await use.backend.forward("other", { batch, quantities: ["values"] })).values).toHaveLength(tokensOf(batch));
    expect((await use.backend.forward("tiny", { batch, quantities: ["entropy"] })).entropy).toHaveLength(tokensOf(batch));
    await use.backend.unload("other");
    await expectFailure(use.backend.forward("other", { batch, quantities: ["values"] }), "TL_BACKEND_MODEL_UNKNOWN");
  });

  it("a failed load leaves the model of that name as it was", async () => {
    await loadTiny(use);
    const before = await use.backend.forward("tiny", { batch, quantities: ["entropy"] });
    await expectFailure(use.backend.load({ model: "tiny", directory: await fresh(), head: "language", trainable: false }), "TL_MODEL_MISSING");
    expect(await use.backend.forward("tiny", { batch, quantities: ["entropy"] })).toEqual(before);
  });

  it("a directory whose tensors are not those of its configuration is refused", async () => {
    const directory = await loadTiny(use);
    const path = join(directory, "model.safetensors");
    const { tensors } = await readSafetensors(path);
    await writeSafetensors(path, [...tensors].filter(([name]) => name !== "model.norm.weight"));
    const error = await expectFailure(use.backend.load({ model: "tiny", directory, head: "language", trainable: false }), "TL_MODEL_TENSORS");
    expect(error.message).toContain("model.norm.weight");
  });
}
