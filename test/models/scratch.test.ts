import { describe, expect, it } from "vitest";
import { describeModel } from "../../models/configuration.js";
import { initialTensors, initializeModel } from "../../models/initialize.js";
import { readModelTensors } from "../../models/safetensors.js";
import { scratchConfiguration } from "../../models/scratch.js";
import type { ScratchSizes } from "../../schemas/spec.js";
import { temporaryDirectory } from "./support.js";

const sizes = { layers: 2, hidden: 16, heads: 4, keyValueHeads: 2, intermediate: 24, context: 32, tiedEmbeddings: true, ropeTheta: 10000 } as const;
const tokens = { vocabulary: 30, endTokens: [1], padToken: 0 };

describe("a model from scratch", () => {
  it.each<ScratchSizes>([
    { ...sizes, architecture: "llama" },
    { ...sizes, architecture: "qwen2" },
    { ...sizes, architecture: "qwen3", headSize: 6 },
    { ...sizes, architecture: "mistral", window: 8 },
    { ...sizes, architecture: "gpt2", keyValueHeads: 4 },
  ])("of $architecture is complete on disk, with norms of 1", async (given) => {
    const configuration = scratchConfiguration(given, tokens);
    const directory = await temporaryDirectory();
    await initializeModel(directory, configuration, 3);
    expect(await describeModel(directory)).toEqual({ configuration, head: "language" });
    const tensors = await readModelTensors(directory);
    expect(tensors).toEqual(initialTensors(configuration, "language", 3));
    const norms = [...tensors].filter(([name]) => /(norm|ln_.)\.weight$/.test(name));
    expect(norms.length).toBeGreaterThanOrEqual(5);
    for (const [name, { data }] of norms) expect(new Set(data), name).toEqual(new Set([1]));
    for (const [name, { data }] of tensors) if (name.endsWith(".bias")) expect(new Set(data), name).toEqual(new Set([0]));
  });
});
