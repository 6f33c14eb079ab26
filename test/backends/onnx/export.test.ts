import { mkdtemp, readFile, rm } from "node:fs/promises";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { addOnnx } from "../../../backends/onnx/export.js";
import { createReferenceBackend } from "../../../backends/reference/index.js";
import { randomAt } from "../../../foundation/random.js";
import { writeConfiguration, type Head, type ModelConfiguration } from "../../../models/configuration.js";
import { parameterShapes, sizeOf } from "../../../models/parameters.js";
import { readSafetensors, writeSafetensors } from "../../../models/safetensors.js";
import { families } from "../families.js";
import { tiny } from "./tiny.js";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "trueline-onnx-"));
  onTestFinished(() => rm(directory, { recursive: true }));
});

/** A directory of a model whose weights are large enough that every nonlinearity is felt. */
async function write(change: Partial<ModelConfiguration>, head: Head = "language"): Promise<ModelConfiguration> {
  const configuration = { ...tiny, hidden: 12, endTokens: [3], ...change };
  await writeConfiguration(directory, configuration, head);
  await writeSafetensors(join(directory, "model.safetensors"), [...parameterShapes(configuration, head)].map(([name, shape]) => {
    const random = randomAt(1, name);
    const around = /(norm|ln_.)\.weight$/.test(name) ? 1 : 0;
    return [name, { shape, data: Float32Array.from({ length: sizeOf(shape) }, () => around + 0.3 * random.normal()) }] as const;
  }));
  return configuration;
}

type Tensors = Record<string, InferenceSession.OnnxValueMapType[string]>;

/** Feeds rows, padded on the left, to the graph in chunks of such lengths; gives the logits of all positions. [B, S, vocabulary] */
async function logitsOf({ layers, keyValueHeads, headSize }: ModelConfiguration, rows: readonly (readonly number[])[], chunks: readonly number[]): Promise<number[][][]> {
  const session = await InferenceSession.create(join(directory, "onnx", "model.onnx"));
  onTestFinished(() => session.release());
  const longest = Math.max(...rows.map(({ length }) => length));
  const padded = rows.map((row) => [...Array.from({ length: longest - row.length }, () => 0), ...row]);
  const places = rows.map((row) => padded[0]!.map((_, index) => Math.max(0, index - (longest - row.length))));
  const masks = rows.map((row) => padded[0]!.map((_, index) => Number(index >= longest - row.length)));
  const int64 = (values: readonly (readonly number[])[]) =>
    new Tensor("int64", BigInt64Array.from(values.flat(), BigInt), [values.length, values[0]!.length]);
  let cache: Tensors = Object.fromEntries(Array.from({ length: layers }).flatMap((_, layer) => ["key", "value"].map((kind) =>
    [`past_key_values.${layer}.${kind}`, new Tensor("float32", new Float32Array(), [rows.length, keyValueHeads, 0, headSize])])));
  const found: number[][][] = rows.map(() => []);
  let begin = 0;
  for (const length of chunks) {
    const end = begin + length;
    const cut = (values: readonly (readonly number[])[], from: number) => int64(values.map((row) => row.slice(from, end)));
    const outputs = await session.run({ input_ids: cut(padded, begin), position_ids: cut(places, begin), attention_mask: cut(masks, 0), ...cache });
    const logits = outputs["logits"]!;
    const width = logits.dims[2]!;
    const data = logits.data as Float32Array;
    rows.forEach((_, row) => {
      for (let step = 0; step < length; step++) found[row]!.push([...data.subarray((row * length + step) * width, (row * length + step + 1) * width)]);
    });
    cache = Object.fromEntries(Object.keys(cache).map((name) => [name, outputs[name.replace("past_key_values", "present")]!]));
    begin = end;
  }
  return found.map((row, index) => row.slice(longest - rows[index]!.length));
}

const logSoftmax = (logits: readonly number[]) => {
  const most = Math.max(...logits);
  const sum = Math.log(logits.reduce((total, logit) => total + Math.exp(logit - most), 0)) + most;
  return logits.map((logit) => logit - sum);
};

const rows = [[5, 2, 7, 1, 9, 22, 3], [8, 4, 6], [1, 2, 3, 4, 5]];

describe("the exported graph", () => {
  it.each(Object.entries({ llama: {}, "llama with an LM head of its own and biases": { tiedEmbeddings: false, attentionBias: true, outputBias: true, mlpBias: true }, ...families }))(
    "of %s gives the reference's log-probabilities, in one piece and in chunks behind its cache, with padding on the left, its weights beside it", async (_, change) => {
      const configuration = await write(change);
      expect(await addOnnx(directory, 0)).toEqual({ weightsBeside: true });
      const backend = createReferenceBackend();
      await backend.load({ model: "model", directory, head: "language", trainable: false });
      const batch = { sequences: rows.map((row) => Int32Array.from(row)), targets: rows.map((row) => Int32Array.from(row.slice(1), (_token, index) => index + 1)) };
      const expected = (await backend.forward("model", { batch, quantities: ["logProbabilities"] })).logProbabilities!;
      await backend.close();
      for (const chunks of [[7], [4, 1, 2]]) {
        const logits = await logitsOf(configuration, rows, chunks);
        const found = rows.flatMap((row, index) => row.slice(1).map((token, at) => logSoftmax(logits[index]![at]!)[token]!));
        expect(Math.max(...found.map((value, index) => Math.abs(value - expected[index]!)))).toBeLessThan(2e-5);
      }
    });

  it("names what goes in and out as its readers expect", async () => {
    await write(families.qwen3);
    await addOnnx(directory);
    const session = await InferenceSession.create(join(directory, "onnx", "model.onnx"));
    onTestFinished(() => session.release());
    expect(session.inputNames).toEqual(["input_ids", "attention_mask", "position_ids", "past_key_values.0.key", "past_key_values.0.value", "past_key_values.1.key", "past_key_values.1.value"]);
    expect([...session.outputNames].sort()).toEqual(["logits", "present.0.key", "present.0.value", "present.1.key", "present.1.value"]);
  });

  it("is told of by a configuration for onnxruntime-genai", async () => {
    await write({ endTokens: [3, 4], padToken: 0 });
    expect(await addOnnx(directory)).toEqual({ weightsBeside: false });
    const read = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(directory, name), "utf8"));
    expect(await read("genai_config.json")).toMatchObject({ model: { type: "llama", eos_token_id: [3, 4], pad_token_id: 0, decoder: { filename: "onnx/model.onnx", num_key_value_heads: 2 } } });
  });

  it("is refused for a model that does not generate, and nothing is written", async () => {
    await write({}, "score");
    await expect(addOnnx(directory)).rejects.toMatchObject({ code: "TL_EXPORT_HEAD" });
  });
});

it("weights beside the ONNX file begin at multiples of 4096 bytes, so that they can be mapped", async () => {
  await write({});
  expect(await addOnnx(directory, 0)).toEqual({ weightsBeside: true });
  const file = await readFile(join(directory, "onnx", "model.onnx_data"));
  const { tensors } = await readSafetensors(join(directory, "model.safetensors"));
  const starts = [...tensors].map(([name, { data }]) => {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const start = Array.from({ length: Math.ceil(file.length / 4096) }, (_, page) => 4096 * page).find((at) => file.subarray(at, at + bytes.length).equals(bytes));
    return [name, start] as const;
  });
  expect(starts.filter(([, start]) => start === undefined)).toEqual([]);
  expect(starts.length).toBeGreaterThan(5);
});
