import { mkdtemp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Head, StepPart } from "../../../backends/backend.js";
import { add, constant, entropy, logProbabilities, multiply, perToken, scores, square, values, type Sum } from "../../../backends/expressions.js";
import { createReferenceBackend } from "../../../backends/reference/index.js";
import { describeModel } from "../../../models/configuration.js";
import { families as layouts } from "../../../models/families.js";
import { readSafetensors, writeSafetensors } from "../../../models/safetensors.js";
import { families } from "../families.js";
import { type Use, expectAllClose, expectClose, expectNormsClose, loadTiny, randomArray, randomBatch, tokensOf } from "./support.js";

const batch = randomBatch([9, 3, 14]);
const losses: Readonly<Record<Head, Sum>> = {
  language: [multiply(perToken("weight"), add(logProbabilities, multiply(constant(0.1), entropy)))],
  score: [square(scores)],
  value: [square(values)],
};
const quantities = { language: ["logProbabilities", "entropy"], score: ["scores"], value: ["values"] } as const;
const optimizer = { learningRate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 };

/** Every family computes, learns, samples and is saved as the reference says. */
export function knowsFamilies(use: Use): void {
  describe.each(Object.entries(families))("%s", (_, change) => {
    it.each(["language", "score", "value"] as const)("under a %s head gives the reference's numbers and gradients", async (head) => {
      const reference = createReferenceBackend();
      const directory = await loadTiny(use, head, change);
      await reference.load({ model: "tiny", directory, head, trainable: true });
      const asked = { batch, quantities: [...quantities[head]] };
      const [ours, theirs] = await Promise.all([use.backend.forward("tiny", asked), reference.forward("tiny", asked)]);
      for (const name of quantities[head]) expectAllClose(ours[name]!, theirs[name]!, use.tokenTolerance, name);
      const part: StepPart = { batch, arrays: { weight: randomArray(tokensOf(batch), 3) }, loss: losses[head], statistics: {} };
      const step = { parts: [part], normsByParameter: true, optimizer };
      const [found, expected] = [await use.backend.step("tiny", step), await reference.step("tiny", step)];
      expectClose(found.losses[0]!, expected.losses[0]!, use.lossTolerance, "loss");
      expectNormsClose(found.normsByParameter!, expected.normsByParameter!, use.normTolerance);
      const [moved, truly] = [await use.backend.forward("tiny", asked), await reference.forward("tiny", asked)];
      for (const name of quantities[head]) expectAllClose(moved[name]!, truly[name]!, 20 * use.tokenTolerance, `${name} after an update`);
      await reference.close();
    });

    it("answers greedily as the reference does, behind prompts longer and shorter than any window", async () => {
      const reference = createReferenceBackend();
      const directory = await loadTiny(use, "language", change);
      await reference.load({ model: "tiny", directory, head: "language", trainable: false });
      const request = { prompts: batch.sequences, maxNewTokens: 8, temperature: 0, endTokens: [2], uniforms: new Float32Array() };
      const [ours, theirs] = [await use.backend.generate("tiny", request), await reference.generate("tiny", request)];
      expect(ours.tokens).toEqual(theirs.tokens);
      ours.logProbabilities.forEach((row, index) => expectAllClose(row, theirs.logProbabilities[index]!, 10 * use.tokenTolerance, "log-probabilities"));
      await reference.close();
    });

    it("is read where its decoder was saved alone, without its prefix", async () => {
      const directory = await loadTiny(use, "language", change);
      const asked = { batch, quantities: [...quantities.language] };
      const whole = await use.backend.forward("tiny", asked);
      const path = join(directory, "model.safetensors");
      const { prefix } = layouts[(await describeModel(directory)).configuration.family];
      const { tensors } = await readSafetensors(path);
      await writeSafetensors(path, [...tensors].map(([name, tensor]) => [name.replace(prefix, ""), tensor] as const));
      await use.backend.load({ model: "tiny", directory, head: "language", trainable: false });
      expect(await use.backend.forward("tiny", asked)).toEqual(whole);
    });

    it("is saved as it was loaded, and goes on from its optimizer state with the same bytes", async () => {
      const from = await loadTiny(use, "language", change);
      const [plain, middle, straight, resumed] = await Promise.all(["plain", "middle", "straight", "resumed"].map((name) => mkdtemp(join(use.directory, name))));
      await use.backend.save("tiny", plain!, { optimizer: false });
      const weights = async (directory: string) => readFile(join(directory, "model.safetensors"));
      expect(await weights(plain!)).toEqual(await weights(from));
      const request = { parts: [{ batch, arrays: { weight: randomArray(tokensOf(batch), 3) }, loss: losses.language, statistics: {} }], optimizer };
      await use.backend.step("tiny", request);
      await use.backend.save("tiny", middle!, { optimizer: true });
      await use.backend.step("tiny", request);
      await use.backend.save("tiny", straight!, { optimizer: true });
      await use.backend.load({ model: "tiny", directory: middle!, head: "language", trainable: true, optimizer: true });
      await use.backend.step("tiny", request);
      await use.backend.save("tiny", resumed!, { optimizer: true });
      for (const name of ["model.safetensors", "optimizer.safetensors", "config.json"]) {
        expect(await readFile(join(resumed!, name)), name).toEqual(await readFile(join(straight!, name)));
      }
    });
  });
}
