import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import type { Batch } from "../../../backends/backend.js";
import { constant, logProbabilities, multiply, scores, square, values } from "../../../backends/expressions.js";
import type { ErrorCode } from "../../../foundation/errors.js";
import { startTorchBackend, type TorchBackend } from "../../../backends/torch/index.js";
import { findPython } from "../../../backends/torch/python.js";
import { expectAllClose, expectFailure } from "../contract/support.js";
import { describeWithPython } from "./python.js";

const families = ["llama3-rope", "mistral-window", "qwen3", "gemma2", "gpt2", "gpt-neox", "opt", "mixtral"] as const;
/** Those that transformers has no layout for a value head for. */
const withoutTokenClassifier: readonly string[] = ["opt"];
const form = z.object({
  rows: z.array(z.array(z.number())),
  families: z.record(z.string(), z.object({ logProbabilities: z.array(z.number()), greedy: z.array(z.array(z.number())) })),
});
type Facts = z.output<typeof form>;

async function transformers(command: "write" | "read", home: string): Promise<Facts> {
  const script = fileURLToPath(new URL("families.py", import.meta.url));
  const { stdout } = await promisify(execFile)(await findPython(), [script, command, home], { env: { ...process.env, HF_HUB_OFFLINE: "1", PYTHONDONTWRITEBYTECODE: "1" } });
  return form.parse(JSON.parse(stdout));
}

let home: string;
let expected: Facts;
let backend: TorchBackend;

describeWithPython("the torch backend loads what transformers loads", () => {
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "trueline-families-"));
    expected = await transformers("write", home);
    // small enough that every model is saved in shards
    backend = await startTorchBackend({ processes: 2, threads: 2, device: "cpu", shardBytes: 3000 });
  });
  afterAll(async () => {
    await backend.close();
    await rm(home, { recursive: true });
  });

  const sequences = () => expected.rows.map((row) => Int32Array.from(row));
  const batch = (): Batch => ({ sequences: sequences(), targets: sequences().map(({ length }) => Int32Array.from({ length: length - 1 }, (_, index) => index + 1)) });
  const optimizer = { learningRate: 1e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0 };

  describe.each(families)("%s", (family) => {
    it("with its log-probabilities and greedy answers", async () => {
      await backend.load({ model: "policy", directory: join(home, family), head: "language", trainable: true });
      const facts = expected.families[family]!;
      const { logProbabilities: found } = await backend.forward("policy", { batch: batch(), quantities: ["logProbabilities"] });
      expectAllClose(found!, facts.logProbabilities, 2e-5, "log-probabilities");
      const { tokens } = await backend.generate("policy", { prompts: sequences(), maxNewTokens: 8, temperature: 0, endTokens: [], uniforms: new Float32Array() });
      expect(tokens.map((row) => [...row])).toEqual(facts.greedy);
    });

    it("under a reward head and a value head, which learn, and are read again from what was saved", async () => {
      for (const [head, quantity] of [["score", scores], ["value", values]] as const) {
        if (head === "value" && withoutTokenClassifier.includes(family)) {
          await expectFailure(backend.load({ model: head, directory: join(home, family), head, newHead: { init: "zero" }, trainable: true }), "TL_MODEL_UNSUPPORTED");
          continue;
        }
        await backend.load({ model: head, directory: join(home, family), head, newHead: { init: "normal", seed: 1 }, trainable: true });
        const { gradientNorm } = await backend.step(head, { parts: [{ batch: batch(), arrays: {}, statistics: {}, loss: [square(quantity)] }], optimizer });
        expect(gradientNorm).toBeGreaterThan(0);
        const name = head === "score" ? "scores" : "values";
        const before = await backend.forward(head, { batch: batch(), quantities: [name] });
        const saved = await mkdtemp(join(home, `${family}-${head}-`));
        await backend.save(head, saved, { optimizer: true });
        expect(await backend.load({ model: head, directory: saved, head, trainable: true, optimizer: true })).toMatchObject({ headIsNew: false });
        expect(await backend.forward(head, { batch: batch(), quantities: [name] })).toEqual(before);
      }
    });
  });

  it("and saves what transformers loads", async () => {
    for (const family of families) {
      await backend.load({ model: "policy", directory: join(home, family), head: "language", trainable: true });
      await backend.step("policy", { parts: [{ batch: batch(), arrays: {}, statistics: {}, loss: [multiply(constant(-0.1), logProbabilities)] }], optimizer });
      expected.families[family]!.logProbabilities = [...(await backend.forward("policy", { batch: batch(), quantities: ["logProbabilities"] })).logProbabilities!];
      const saved = await mkdtemp(join(home, `${family}-saved-`));
      await backend.save("policy", saved, { optimizer: false });
      expect(await readdir(saved)).toContain("model.safetensors.index.json");
      await rm(join(home, family, "model.safetensors"));
      await cp(saved, join(home, family), { recursive: true });
    }
    const found = await transformers("read", home);
    for (const family of families) expectAllClose(found.families[family]!.logProbabilities, expected.families[family]!.logProbabilities, 2e-5, family);
  });

  it("and refuses an index that lies", async () => {
    const saved = await mkdtemp(join(home, "lying-"));
    await backend.load({ model: "policy", directory: join(home, "qwen3"), head: "language", trainable: false });
    await backend.save("policy", saved, { optimizer: false });
    const path = join(saved, "model.safetensors.index.json");
    const map = z.object({ weight_map: z.record(z.string(), z.string()) }).parse(JSON.parse(await readFile(path, "utf8"))).weight_map;
    const names = Object.keys(map);
    const [first, last] = [names[0]!, names.at(-1)!];
    const refused = async (change: Record<string, string>, code: ErrorCode): Promise<string> => {
      await writeFile(path, JSON.stringify({ weight_map: { ...map, ...change } }));
      return (await expectFailure(backend.load({ model: "policy", directory: saved, head: "language", trainable: false }), code)).message;
    };
    expect(await refused({ [first]: map[last]! }, "TL_MODEL_FILE")).toContain(first);
    expect(await refused({ more: map[first]! }, "TL_MODEL_FILE")).toContain("more");
    expect(await refused({ [first]: `../${map[first]!}` }, "TL_MODEL_FILE")).toContain("beside their index");
    expect(await refused({ [first]: "model-9.safetensors" }, "TL_MODEL_MISSING")).toContain("model-9.safetensors");
  });
});
