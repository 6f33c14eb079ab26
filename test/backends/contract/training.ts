import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { mkdtemp } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import type { OptimizerSettings, StepPart } from "../../../backends/backend.js";
import {
  constant, divide, exp, log, logProbabilities, multiply, negate, perToken, square, type Expression,
} from "../../../backends/expressions.js";
import { readSafetensors } from "../../../models/safetensors.js";
import { type Use, expectClose, loadTiny, randomArray, randomBatch, tokensOf, biased, writeModel, expectFailure } from "./support.js";

const adam: OptimizerSettings = { learningRate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, maxGradientNorm: 1 };
const batch = randomBatch([7, 4, 9]);
const likelihood: StepPart = { batch, arrays: {}, loss: [negate(logProbabilities)], statistics: {} };
const partOf = (loss: Expression): StepPart => ({ batch, arrays: { weights: randomArray(tokensOf(batch), 4) }, loss: [loss], statistics: {} });

/** Updates, and what must not change without one. */
export function updatesOnlyWhenItShould(use: Use): void {
  const saved = async (model = "tiny", optimizer = true): Promise<{ readonly weights: Buffer; readonly moments: Buffer }> => {
    const directory = await mkdtemp(join(use.directory, "saved-"));
    await use.backend.save(model, directory, { optimizer });
    return {
      weights: await readFile(join(directory, "model.safetensors")),
      moments: await readFile(join(directory, "optimizer.safetensors")),
    };
  };
  const step = (parts: readonly StepPart[], optimizer?: OptimizerSettings) => use.backend.step("tiny", { parts, optimizer });

  describe("a step", () => {
    it("without optimizer settings changes no bit, however often it is asked", async () => {
      await loadTiny(use);
      const before = await saved();
      const [first, second] = [await step([likelihood]), await step([likelihood])];
      expect(second).toEqual(first);
      expect(await saved()).toEqual(before);
    });

    it("lowers its loss when repeated", async () => {
      await loadTiny(use, "language", biased);
      const losses: number[] = [];
      for (let index = 0; index < 8; index++) losses.push((await step([likelihood], adam)).losses[0]!);
      expect(losses.at(-1)).toBeLessThan(0.8 * losses[0]!);
    });

    it("adds the gradients of its parts, not their norms", async () => {
      await loadTiny(use);
      const opposite = await step([partOf(logProbabilities), partOf(negate(logProbabilities))]);
      const single = await step([partOf(logProbabilities)]);
      expect(opposite.gradientNorm).toBeLessThanOrEqual(use.lossTolerance * single.gradientNorm);
      const twice = await step([likelihood, likelihood]);
      const once = await step([likelihood]);
      expectClose(twice.gradientNorm, 2 * once.gradientNorm, use.lossTolerance, "norm", twice.gradientNorm);
    });

    it("reports the norm before clipping, and clips all parameters by one factor", async () => {
      await loadTiny(use);
      const { gradientNorm } = await step([likelihood]);
      // one update of plain descent in disguise: with beta 0 and a huge epsilon Adam moves by rate · gradient / epsilon
      const descent = { ...adam, beta1: 0, beta2: 0, epsilon: 1e6, learningRate: 1e6, weightDecay: 0 };
      const movedBy = async (maxGradientNorm: number | undefined): Promise<number> => {
        const directory = await loadTiny(use);
        const before = (await readSafetensors(join(directory, "model.safetensors"))).tensors;
        const result = await step([likelihood], { ...descent, maxGradientNorm });
        expectClose(result.gradientNorm, gradientNorm, use.lossTolerance, "norm", gradientNorm);
        const target = await mkdtemp(join(use.directory, "moved-"));
        await use.backend.save("tiny", target, { optimizer: false });
        const after = (await readSafetensors(join(target, "model.safetensors"))).tensors;
        return Math.hypot(...[...before].flatMap(([name, { data }]) => Array.from(data, (value, i) => after.get(name)!.data[i]! - value)));
      };
      // weights are float32, so the movement is known to about 1e-4 of itself
      expectClose(await movedBy(undefined), gradientNorm, 1e-3, "unclipped movement", gradientNorm);
      expectClose(await movedBy(1), 1, 1e-3, "clipped movement");
      expectClose(await movedBy(2 * gradientNorm), gradientNorm, 1e-3, "movement under a wide bound", gradientNorm);
    });

    it("decays matrices alone", async () => {
      const directory = await loadTiny(use, "value", biased);
      const before = (await readSafetensors(join(directory, "model.safetensors"))).tensors;
      await step([partOf(multiply(constant(0), square({ op: "values" })))], { ...adam, learningRate: 0.5, weightDecay: 0.5 });
      const target = await mkdtemp(join(use.directory, "decayed-"));
      await use.backend.save("tiny", target, { optimizer: false });
      const after = (await readSafetensors(join(target, "model.safetensors"))).tensors;
      for (const [name, { shape, data }] of before) {
        const kept = shape.length > 1 ? 0.75 : 1;
        after.get(name)!.data.forEach((value, i) => expectClose(value, kept * data[i]!, 1e-6, name));
      }
    });

    const broken: readonly (readonly [string, Expression])[] = [
      ["not a number", exp(log(logProbabilities))],
      ["infinite", exp(multiply(constant(-1e4), logProbabilities))],
      ["infinite by division", divide(constant(1), multiply(constant(0), logProbabilities))],
    ];
    it.each(broken)("whose gradient is %s changes nothing and says so", async (_, loss) => {
      await loadTiny(use);
      await step([likelihood], adam);
      const before = await saved();
      const result = await step([likelihood, partOf(loss)], adam);
      expect(result.gradientNorm).not.toSatisfy(Number.isFinite);
      expectClose(result.losses[0]!, (await step([likelihood])).losses[0]!, use.lossTolerance, "loss of the sound part");
      expect(await saved()).toEqual(before);
    });

    it("is not moved by its statistics, even where these are not finite", async () => {
      await loadTiny(use);
      const alone = await step([likelihood]);
      const watched = await step([{ ...likelihood, statistics: { broken: [log(logProbabilities)], fine: [square(logProbabilities)] } }]);
      expectClose(watched.gradientNorm, alone.gradientNorm, use.lossTolerance, "norm", alone.gradientNorm);
      expect(watched.statistics[0]!["broken"]).not.toSatisfy(Number.isFinite);
      expect(watched.statistics[0]!["fine"]).toBeGreaterThan(0);
    });

    it("takes other losses and batches one after the other", async () => {
      await loadTiny(use);
      const first = await step([likelihood]);
      await step([partOf(multiply(perToken("weights"), logProbabilities))]);
      await step([{ ...likelihood, batch: randomBatch([2, 12], 3) }]);
      expect(await step([likelihood])).toEqual(first);
    });
  });

  describe("a checkpoint", () => {
    it("continues with the bytes of a run that was never interrupted", async () => {
      await loadTiny(use, "score", { tiedEmbeddings: false });
      const directory = await mkdtemp(join(use.directory, "checkpoint-"));
      for (let index = 0; index < 2; index++) await step([likelihood], adam);
      await use.backend.save("tiny", directory, { optimizer: true });
      await use.backend.load({ model: "resumed", directory, head: "score", trainable: true, optimizer: true });
      const steps = await Promise.all(["tiny", "resumed"].map((model) => use.backend.step(model, { parts: [likelihood], optimizer: adam })));
      expect(steps[1]).toEqual(steps[0]);
      expect(await saved("resumed")).toEqual(await saved("tiny"));
      await use.backend.unload("resumed");
    });

    it("holds moments and the number of updates, without which the next update differs", async () => {
      await loadTiny(use);
      await step([likelihood], adam);
      const directory = await mkdtemp(join(use.directory, "checkpoint-"));
      await use.backend.save("tiny", directory, { optimizer: true });
      await use.backend.load({ model: "fresh", directory, head: "language", trainable: true });
      await Promise.all(["tiny", "fresh"].map((model) => use.backend.step(model, { parts: [likelihood], optimizer: adam })));
      expect((await saved("fresh")).weights).not.toEqual((await saved("tiny")).weights);
      await use.backend.unload("fresh");
    });

    it("without optimizer state can't be resumed from", async () => {
      const directory = await mkdtemp(join(use.directory, "bare-"));
      await writeModel(directory, "language");
      await expectFailure(
        use.backend.load({ model: "bare", directory, head: "language", trainable: true, optimizer: true }), "TL_BACKEND_OPTIMIZER_MISSING",
      );
      await expectFailure(use.backend.forward("bare", { batch, quantities: [] }), "TL_BACKEND_MODEL_UNKNOWN");
    });

    it("of another model's optimizer is refused", async () => {
      await loadTiny(use);
      const directory = await mkdtemp(join(use.directory, "checkpoint-"));
      await use.backend.save("tiny", directory, { optimizer: true });
      await writeModel(directory, "language", { intermediate: 6 });
      await expectFailure(
        use.backend.load({ model: "other", directory, head: "language", trainable: true, optimizer: true }), "TL_MODEL_TENSORS",
      );
    });
  });
}
