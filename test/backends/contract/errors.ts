import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Backend, GenerateRequest, OptimizerSettings, StepPart } from "../../../backends/backend.js";
import {
  add, constant, logProbabilities, multiply, perRow, perToken, rowSums, scores, take, type Sum,
} from "../../../backends/expressions.js";
import type { ErrorCode } from "../../../foundation/errors.js";
import { type Candidate, type Use, expectFailure, loadTiny, randomBatch, writeModel } from "./support.js";

const batch = randomBatch([5, 3]);
const rows = (...sequences: number[][]) => sequences.map((tokens) => Int32Array.from(tokens));
const long = Array.from({ length: 25 }, () => 3);
const adam: OptimizerSettings = { learningRate: 0.1, beta1: 0.9, beta2: 0.9, epsilon: 1e-8, weightDecay: 0 };
const sampling: GenerateRequest = { prompts: rows([3, 4]), maxNewTokens: 2, temperature: 1, endTokens: [2], uniforms: Float32Array.of(0.1, 0.2) };

const forward = (sequences: number[][], targets: number[][]) => (backend: Backend) =>
  backend.forward("tiny", { batch: { sequences: rows(...sequences), targets: rows(...targets) }, quantities: ["logProbabilities"] });
const generate = (change: Partial<GenerateRequest>) => (backend: Backend) => backend.generate("tiny", { ...sampling, ...change });
const step = (change: Partial<StepPart>) => (backend: Backend) =>
  backend.step("tiny", { parts: [{ batch, arrays: {}, loss: [logProbabilities], statistics: {}, ...change }] });
const loss = (sum: Sum, arrays: StepPart["arrays"] = {}) => step({ loss: sum, arrays });
const update = (change: Partial<OptimizerSettings>) => (backend: Backend) =>
  backend.step("tiny", { parts: [{ batch, arrays: {}, loss: [logProbabilities], statistics: {} }], optimizer: { ...adam, ...change } });

/** What is asked of a reward model, the code it fails with, and what the message must name. */
const faults: readonly (readonly [string, (backend: Backend) => Promise<unknown>, ErrorCode, RegExp])[] = [
  ["an unknown model", (backend) => backend.forward("nobody", { batch, quantities: [] }), "TL_BACKEND_MODEL_UNKNOWN", /nobody/],
  ["unloading an unknown model", (backend) => backend.unload("nobody"), "TL_BACKEND_MODEL_UNKNOWN", /nobody/],
  ["saving an unknown model", (backend) => backend.save("nobody", "/nowhere", { optimizer: false }), "TL_BACKEND_MODEL_UNKNOWN", /nobody/],
  ["a token beyond the vocabulary", forward([[3, 23]], [[1]]), "TL_BACKEND_TOKEN_UNKNOWN", /row 0.* 23/],
  ["a negative token", forward([[3], [-1, 4]], [[], [1]]), "TL_BACKEND_TOKEN_UNKNOWN", /row 1.* -1/],
  ["a row longer than the context", forward([[3], long], [[], []]), "TL_BACKEND_ROW_TOO_LONG", /row 1.* 25 .*24/],
  ["an empty row", forward([[]], [[]]), "TL_BACKEND_REQUEST_INVALID", /row 0 is empty/],
  ["no rows", forward([], []), "TL_BACKEND_REQUEST_INVALID", /no rows/],
  ["targets for other rows", forward([[3, 4]], [[1], [1]]), "TL_BACKEND_REQUEST_INVALID", /1 rows and 2/],
  ["the first token as a target", forward([[3, 4]], [[0]]), "TL_BACKEND_REQUEST_INVALID", /target 0/],
  ["a target behind the row", forward([[3, 4]], [[2]]), "TL_BACKEND_REQUEST_INVALID", /target 2/],
  ["targets out of order", forward([[3, 4, 5]], [[2, 1]]), "TL_BACKEND_REQUEST_INVALID", /target 1/],
  ["a target twice", forward([[3, 4, 5]], [[1, 1]]), "TL_BACKEND_REQUEST_INVALID", /target 1/],
  ["a quantity of another head", (backend) => backend.forward("tiny", { batch, quantities: ["values"] }), "TL_BACKEND_QUANTITY_MISSING", /values/],
  ["a temperature of 0 outside generation", (backend) => backend.forward("tiny", { batch, quantities: ["entropy"], temperature: 0 }), "TL_BACKEND_REQUEST_INVALID", /temperature is 0/],
  ["a prompt that would outgrow the context", generate({ prompts: rows(long.slice(2)) }), "TL_BACKEND_ROW_TOO_LONG", /prompt 0.* 23 .*2.*24/],
  ["no prompts", generate({ prompts: [], uniforms: new Float32Array() }), "TL_BACKEND_REQUEST_INVALID", /no prompt/],
  ["an empty prompt", generate({ prompts: rows([]) }), "TL_BACKEND_REQUEST_INVALID", /prompt 0 is empty/],
  ["too few uniforms", generate({ uniforms: Float32Array.of(0.5) }), "TL_BACKEND_REQUEST_INVALID", /1 uniforms/],
  ["no new tokens", generate({ maxNewTokens: 0 }), "TL_BACKEND_REQUEST_INVALID", /maxNewTokens is 0/],
  ["a negative temperature", generate({ temperature: -1 }), "TL_BACKEND_REQUEST_INVALID", /temperature is -1/],
  ["a top-p of 0", generate({ topP: 0 }), "TL_BACKEND_REQUEST_INVALID", /topP is 0/],
  ["a top-k of a half", generate({ topK: 0.5 }), "TL_BACKEND_REQUEST_INVALID", /topK is 0.5/],
  ["a repetition penalty of 0", generate({ repetitionPenalty: 0 }), "TL_BACKEND_REQUEST_INVALID", /repetitionPenalty is 0/],
  ["a step without parts", (backend) => backend.step("tiny", { parts: [] }), "TL_BACKEND_REQUEST_INVALID", /no parts/],
  ["a loss of another head", loss([{ op: "values" }]), "TL_BACKEND_QUANTITY_MISSING", /values/],
  ["a statistic of another head", step({ statistics: { v: [{ op: "values" }] } }), "TL_BACKEND_QUANTITY_MISSING", /values/],
  ["tokens joined with rows", loss([add(scores, logProbabilities)]), "TL_BACKEND_EXPRESSION_INVALID", /add joins rows with tokens/],
  ["a term of constants", loss([constant(1)]), "TL_BACKEND_EXPRESSION_INVALID", /constants/],
  ["take among tokens", loss([take(logProbabilities, "i")], { i: Float32Array.of(0, 1) }), "TL_BACKEND_EXPRESSION_INVALID", /take/],
  ["row sums of rows", loss([rowSums(scores)]), "TL_BACKEND_EXPRESSION_INVALID", /rowSums .* over rows/],
  ["row sums of constants", loss([rowSums(constant(1))]), "TL_BACKEND_EXPRESSION_INVALID", /rowSums .* constants/],
  ["an array on two domains", loss([multiply(perToken("w"), logProbabilities), multiply(perRow("w"), scores)], { w: Float32Array.of(1, 2) }), "TL_BACKEND_EXPRESSION_INVALID", /"w"/],
  ["an array that was not given", loss([multiply(perToken("w"), logProbabilities)]), "TL_BACKEND_REQUEST_INVALID", /"w"/],
  ["an array of another length", loss([multiply(perRow("w"), scores)], { w: Float32Array.of(1) }), "TL_BACKEND_REQUEST_INVALID", /"w" has 1/],
  ["an index of no row", loss([take(scores, "i")], { i: Float32Array.of(0, 2) }), "TL_BACKEND_REQUEST_INVALID", /"i"/],
  ["an index between rows", loss([take(scores, "i")], { i: Float32Array.of(0, 0.5) }), "TL_BACKEND_REQUEST_INVALID", /"i"/],
  ["a learning rate that is no number", update({ learningRate: NaN }), "TL_BACKEND_REQUEST_INVALID", /learningRate is NaN/],
  ["a beta of 1", update({ beta2: 1 }), "TL_BACKEND_REQUEST_INVALID", /beta2 is 1/],
  ["a gradient bound of 0", update({ maxGradientNorm: 0 }), "TL_BACKEND_REQUEST_INVALID", /maxGradientNorm is 0/],
];

/** Faults of a request come back as coded errors that name the place, and leave the backend at work. */
export function refusesFaults(use: Use, candidate: Candidate): void {
  describe("refuses", () => {
    it.each(faults)("%s", async (_, ask, code, names) => {
      await loadTiny(use, "score");
      const error = await expectFailure(ask(use.backend), code);
      expect(error.message).toMatch(names);
      expect((await use.backend.forward("tiny", { batch, quantities: ["scores"] })).scores).toHaveLength(2);
    });

    it("updates, and optimizer state, of a model loaded for reading only", async () => {
      const directory = await loadTiny(use, "language", {}, { trainable: false });
      await expectFailure(step({})(use.backend), "TL_BACKEND_NOT_TRAINABLE");
      await expectFailure(use.backend.save("tiny", directory, { optimizer: true }), "TL_BACKEND_NOT_TRAINABLE");
      await expectFailure(use.backend.load({ model: "tiny", directory, head: "language", trainable: false, optimizer: true }), "TL_BACKEND_NOT_TRAINABLE");
      await use.backend.save("tiny", directory, { optimizer: false });
    });

    it("generation from a model without an LM head", async () => {
      await loadTiny(use, "value");
      await expectFailure(generate({})(use.backend), "TL_BACKEND_QUANTITY_MISSING");
    });

    it.each<[string, Partial<GenerateRequest>]>([["plain", {}], ["filtered", { topP: 0.9, topK: 5 }], ["greedy", { temperature: 0 }]])(
      "sampling from a model that gives no numbers, %s", async (_, settings) => {
        const directory = await mkdtemp(join(use.directory, "model-"));
        await writeModel(directory, "language");
        // The last norm's last weight, which every token passes.
        const path = join(directory, "model.safetensors");
        const bytes = await readFile(path);
        bytes.writeFloatLE(NaN, bytes.length - 4);
        await writeFile(path, bytes);
        await use.backend.load({ model: "tiny", directory, head: "language", trainable: false });
        const prompts = rows([3, 4], [5], [6, 7, 8]);
        const error = await expectFailure(generate({ prompts, maxNewTokens: 9, uniforms: new Float32Array(27).fill(0.5), ...settings })(use.backend), "TL_BACKEND_NOT_FINITE");
        expect(error.message).toContain("new token 0 of prompt");
        await loadTiny(use);
        expect((await generate({})(use.backend)).tokens).toHaveLength(1);
      });

    it("everything after it was closed, which may happen twice", async () => {
      const backend = await candidate.start();
      expect(await backend.describe()).toMatchObject({ name: expect.any(String), threads: expect.any(Number) });
      await backend.close();
      await backend.close();
      await expectFailure(backend.describe(), "TL_BACKEND_CLOSED");
      await expectFailure(backend.forward("tiny", { batch, quantities: [] }), "TL_BACKEND_CLOSED");
    });
  });
}
