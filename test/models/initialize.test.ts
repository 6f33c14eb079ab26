import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { describeModel, type Head } from "../../models/configuration.js";
import { initialTensors, initializeModel } from "../../models/initialize.js";
import { checkTensors, parameterCount, parameterShapes } from "../../models/parameters.js";
import { readModelTensors } from "../../models/safetensors.js";
import { temporaryDirectory, tiny } from "./support.js";

const deviationOf = (data: Float32Array) => Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);

describe("a new model", () => {
  it.each<Head>(["language", "score", "value"])("with a %s head is complete on disk", async (head) => {
    const directory = await temporaryDirectory();
    await initializeModel(directory, tiny, 3, head);
    expect(await describeModel(directory)).toEqual({ configuration: tiny, head });
    const tensors = await readModelTensors(directory);
    checkTensors(tensors, parameterShapes(tiny, head), directory);
    expect([...tensors.keys()]).toEqual([...parameterShapes(tiny, head).keys()]);
    expect(JSON.parse(await readFile(join(directory, "generation_config.json"), "utf8"))).toEqual({ bos_token_id: null, eos_token_id: 1, pad_token_id: 0 });
  });

  it("has the same bytes for the same seed, others for another", async () => {
    const bytes = async (seed: number) => {
      const directory = await temporaryDirectory();
      await initializeModel(directory, tiny, seed);
      return readFile(join(directory, "model.safetensors"));
    };
    expect((await bytes(1)).equals(await bytes(1))).toBe(true);
    expect((await bytes(1)).equals(await bytes(2))).toBe(false);
  });

  it("spreads its weights as GPT-2 does", () => {
    const large = { ...tiny, hidden: 128, intermediate: 256, layers: 8, mlpBias: true };
    const tensors = initialTensors(large, "score", 5);
    const deviation = (name: string) => deviationOf(tensors.get(name)!.data);
    expect(deviation("model.embed_tokens.weight")).toBeCloseTo(0.02, 3);
    expect(deviation("model.layers.3.mlp.up_proj.weight")).toBeCloseTo(0.02, 3);
    expect(deviation("model.layers.3.mlp.down_proj.weight")).toBeCloseTo(0.02 / 4, 3);
    expect(deviation("model.layers.3.self_attn.o_proj.weight")).toBeCloseTo(0.02 / 4, 3);
    expect(deviation("score.weight")).toBeCloseTo(1 / Math.sqrt(129), 1);
    expect(deviation("model.layers.3.mlp.up_proj.bias")).toBe(0);
    expect(new Set(tensors.get("model.layers.3.input_layernorm.weight")!.data)).toEqual(new Set([1]));
    expect(tensors.get("model.layers.0.mlp.up_proj.weight")!.data[0]).not.toBe(tensors.get("model.layers.1.mlp.up_proj.weight")!.data[0]);
  });

  it("has a value head of 0", () => {
    const tensors = initialTensors(tiny, "value", 5);
    expect([...tensors.get("score.weight")!.data, ...tensors.get("score.bias")!.data].every((value) => value === 0)).toBe(true);
  });
});

describe("parameters", () => {
  it("keep the LM head of a reward model only where embeddings are untied, and never that of a value model", () => {
    const has = (tiedEmbeddings: boolean, head: Head) => parameterShapes({ ...tiny, tiedEmbeddings }, head).has("lm_head.weight");
    expect([has(false, "language"), has(false, "score"), has(false, "value")]).toEqual([true, true, false]);
    expect([has(true, "language"), has(true, "score"), has(true, "value")]).toEqual([false, false, false]);
  });

  it("are counted", () => {
    const attention = 12 * 18 + 12 * 6 * 2 + 18 * 12;
    expect(parameterCount(tiny, "language")).toBe(2 * 300 * 12 + 2 * (attention + 3 * 12 * 20 + 2 * 12) + 12);
  });

  it("that are missing or misshapen are named", () => {
    const shapes = parameterShapes(tiny, "language");
    const tensors = new Map(initialTensors(tiny, "language", 1));
    tensors.set("model.norm.weight", { shape: [11], data: new Float32Array(11) });
    expect(() => checkTensors(tensors, shapes, "dir")).toThrow("dir: tensor model.norm.weight has shape [11]");
    tensors.delete("lm_head.weight");
    tensors.delete("model.norm.weight");
    expect(() => checkTensors(tensors, shapes, "dir")).toThrow("dir: tensor model.norm.weight is missing");
  });
});
