import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readModelTensors, readSafetensors, writeModelTensors, writeSafetensors } from "../../models/safetensors.js";
import { temporaryDirectory } from "./support.js";

/** A file with the given header over so many bytes of data. */
async function fileWith(header: string, dataBytes: number, claimedBytes = Buffer.byteLength(header)): Promise<string> {
  const path = join(await temporaryDirectory(), "model.safetensors");
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(claimedBytes));
  await writeFile(path, Buffer.concat([length, Buffer.from(header), Buffer.alloc(dataBytes)]));
  return path;
}

const entry = (begin: number, end: number, shape = [(end - begin) / 4], dtype = "F32") => ({ dtype, shape, data_offsets: [begin, end] });
const headerOf = (tensors: object) => JSON.stringify(tensors);

describe("writing and reading", () => {
  const tensors = new Map([
    ["b", { shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 4, 5, Number.MIN_VALUE) }],
    ["a", { shape: [], data: Float32Array.of(-0) }],
    ["empty", { shape: [0, 4], data: new Float32Array() }],
  ]);

  it("gives back names, shapes, bits, order and metadata", async () => {
    const path = join(await temporaryDirectory(), "x.safetensors");
    await writeSafetensors(path, tensors, { metadata: { updates: "7" } });
    const read = await readSafetensors(path);
    expect([...read.tensors]).toEqual([...tensors]);
    expect(Object.is(read.tensors.get("a")!.data[0], -0)).toBe(true);
    expect(read.metadata).toEqual({ format: "pt", updates: "7" });
  });

  it("narrows to bfloat16 to the nearest, ties to even, and keeps what is not finite", async () => {
    const path = join(await temporaryDirectory(), "x.safetensors");
    const [one, step] = [1, 2 ** -7];
    const data = Float32Array.of(one, one + step / 2, one + 1.5 * step, one + 0.51 * step, -one - 0.49 * step, Infinity, -Infinity, Number.NaN, 3.4e38);
    await writeSafetensors(path, [["w", { shape: [9], data }]], { type: "BF16" });
    const read = (await readSafetensors(path)).tensors.get("w")!.data;
    expect([...read]).toEqual([one, one, one + 2 * step, one + step, -one, Infinity, -Infinity, Number.NaN, Infinity]);
  });

  it("writes the same bytes again, data at a multiple of 8, and leaves nothing else behind", async () => {
    const directory = await temporaryDirectory();
    await writeSafetensors(join(directory, "x"), tensors);
    const first = await readFile(join(directory, "x"));
    await writeSafetensors(join(directory, "x"), tensors);
    expect((await readFile(join(directory, "x"))).equals(first)).toBe(true);
    expect(Number(first.readBigUInt64LE()) % 8).toBe(0);
    expect(await readdir(directory)).toEqual(["x"]);
  });

  it("writes views of larger buffers", async () => {
    const path = join(await temporaryDirectory(), "x");
    const data = Float32Array.of(0, 1, 2, 3).subarray(1, 3);
    await writeSafetensors(path, [["v", { shape: [2], data }]]);
    expect([...(await readSafetensors(path)).tensors.get("v")!.data]).toEqual([1, 2]);
  });

  it("refuses to write a shape that is not the data's", async () => {
    const path = join(await temporaryDirectory(), "x");
    await expect(writeSafetensors(path, [["v", { shape: [3], data: new Float32Array(2) }]])).rejects.toThrow(/v of shape \[3\]/);
  });

  it.each([
    ["F16", [0x3c00, 0xc000, 0x0001, 0x7c00, 0x8000, 0x3555], [1, -2, 2 ** -24, Infinity, -0, 0.333251953125]],
    ["BF16", [0x3f80, 0xc000, 0x7f80, 0x8000, 0x3eab, 0x0001], [1, -2, Infinity, -0, 0.333984375, 2 ** -133]],
  ])("widens %s exactly", async (dtype, bits, values) => {
    const path = join(await temporaryDirectory(), "x");
    const header = Buffer.from(headerOf({ h: entry(0, 12, [6], dtype) }));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    await writeFile(path, Buffer.concat([length, header, Buffer.from(Uint16Array.from(bits).buffer)]));
    expect([...(await readSafetensors(path)).tensors.get("h")!.data]).toEqual(values);
  });
});

describe("a header is not believed", () => {
  const f = (tensors: object) => headerOf(tensors);
  it.each([
    ["a length beyond the file", f({}), 0, 1000, /claims 1000 bytes/],
    ["a length beyond any file", f({}), 0, Number.MAX_SAFE_INTEGER, /claims/],
    ["a header that is no object", "[1, 2]", 0, undefined, /not a JSON object/],
    ["a header that is no JSON", "{oops", 0, undefined, /not a JSON object/],
    ["offsets past the end", f({ a: entry(0, 16) }), 8, undefined, /tensor a ends at byte 16 of 8/],
    ["overlapping tensors", f({ a: entry(0, 8), b: entry(4, 12) }), 12, undefined, /tensor b begins at byte 4, inside another/],
    ["two tensors in one place", f({ a: entry(0, 8), b: entry(0, 8) }), 8, undefined, /inside another/],
    ["a gap between tensors", f({ a: entry(0, 4), b: entry(8, 12) }), 12, undefined, /bytes 4 to 8 before tensor b/],
    ["data that is no tensor's", f({ a: entry(0, 4) }), 12, undefined, /bytes 4 to 12 at the end/],
    ["a size that the shape denies", f({ a: entry(0, 8, [3]) }), 8, undefined, /needs 12 bytes; its offsets 0 to 8 give it 8/],
    ["a shape whose size overflows", f({ a: entry(0, 8, [2 ** 40, 2 ** 40]) }), 8, undefined, /needs/],
    ["offsets that run backwards", f({ a: entry(8, 0, [2]) }), 8, undefined, /give it -8/],
    ["negative offsets", f({ a: entry(-8, 0, [2]) }), 8, undefined, /tensor a: data_offsets/],
    ["a negative length", f({ a: entry(0, 8, [-2]) }), 8, undefined, /tensor a: shape/],
    ["a fractional length", f({ a: entry(0, 8, [2.5]) }), 8, undefined, /tensor a: shape/],
    ["an entry with other fields", f({ a: { ...entry(0, 8), file: "/etc/passwd" } }), 8, undefined, /tensor a/],
    ["one name twice", `{"a":${f(entry(0, 8))},"\\u0061":${f(entry(0, 8))}}`, 8, undefined, /names "a" twice/],
    ["the name __proto__", `{"__proto__":${f(entry(0, 8))}}`, 8, undefined, /named "__proto__"/],
    ["metadata that is not strings", f({ __metadata__: { format: 1 } }), 0, undefined, /__metadata__/],
  ])("%s", async (_, header, dataBytes, claimed, message) => {
    const path = await fileWith(header, dataBytes, claimed);
    await expect(readSafetensors(path)).rejects.toMatchObject({ code: "TL_MODEL_FILE", message: expect.stringMatching(message) });
    await expect(readSafetensors(path)).rejects.toThrow(path);
  });

  it("a file too short for a header", async () => {
    const path = join(await temporaryDirectory(), "model.safetensors");
    await writeFile(path, "abc");
    await expect(readSafetensors(path)).rejects.toMatchObject({ code: "TL_MODEL_FILE" });
  });

  it("elements of a type that is not read", async () => {
    const path = await fileWith(headerOf({ a: entry(0, 8, [1], "I64") }), 8);
    await expect(readSafetensors(path)).rejects.toMatchObject({ code: "TL_MODEL_UNSUPPORTED", message: expect.stringContaining("I64") });
  });
});

describe("a model's tensors", () => {
  const tensors = new Map(["a", "b", "c"].map((name, index) => [name, { shape: [4], data: new Float32Array(4).fill(index) }]));

  it("are one file up to the size of a shard, and as many as are needed beyond", async () => {
    const directory = await temporaryDirectory();
    await writeModelTensors(directory, tensors, { shardBytes: 3 * 16 });
    expect(await readdir(directory)).toEqual(["model.safetensors"]);
    await writeModelTensors(directory, tensors, { shardBytes: 2 * 16 });
    expect((await readdir(directory)).sort()).toEqual(["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"]);
    const [first, second] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    expect(JSON.parse(await readFile(join(directory, "model.safetensors.index.json"), "utf8")))
      .toEqual({ metadata: { total_size: 48 }, weight_map: { a: first, b: first, c: second } });
    expect(await readModelTensors(directory)).toEqual(tensors);
    await writeModelTensors(directory, tensors);
    expect((await readdir(directory)).includes("model.safetensors.index.json")).toBe(false);
    expect(await readModelTensors(directory)).toEqual(tensors);
  });

  it("that are larger than a shard have one each", async () => {
    const directory = await temporaryDirectory();
    await writeModelTensors(directory, tensors, { shardBytes: 1 });
    expect((await readdir(directory)).length).toBe(4);
    expect(await readModelTensors(directory)).toEqual(tensors);
  });
});

describe("shards", () => {
  const one = { shape: [1], data: Float32Array.of(1) };
  async function sharded(map: Record<string, string>, files: Record<string, readonly string[]>): Promise<string> {
    const directory = await temporaryDirectory();
    for (const [file, names] of Object.entries(files)) await writeSafetensors(join(directory, file), names.map((name) => [name, one] as const));
    await writeFile(join(directory, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
    return directory;
  }

  it("are read as one", async () => {
    const directory = await sharded({ a: "1.safetensors", b: "2.safetensors" }, { "1.safetensors": ["a"], "2.safetensors": ["b"] });
    expect([...(await readModelTensors(directory)).keys()]).toEqual(["a", "b"]);
  });

  it.each([
    ["lie outside the directory", { a: "../1.safetensors" }, { "1.safetensors": ["a"] }, "TL_MODEL_FILE", /beside their index/],
    ["hold a tensor twice", { a: "1.safetensors", b: "2.safetensors" }, { "1.safetensors": ["a"], "2.safetensors": ["a", "b"] }, "TL_MODEL_FILE", /tensor a is in 2\.safetensors and in another/],
    ["hold a tensor the index does not name", { a: "1.safetensors" }, { "1.safetensors": ["a", "x"] }, "TL_MODEL_FILE", /tensor x/],
    ["have each other's tensors", { a: "2.safetensors", b: "1.safetensors" }, { "1.safetensors": ["a"], "2.safetensors": ["b"] }, "TL_MODEL_FILE", /tensor a is in 1\.safetensors, which weight_map does not say/],
    ["lack a tensor the index names", { a: "1.safetensors", b: "1.safetensors" }, { "1.safetensors": ["a"] }, "TL_MODEL_FILE", /tensor b is not in/],
    ["are not there", { a: "1.safetensors" }, {}, "TL_MODEL_MISSING", /1\.safetensors can't be opened/],
  ])("that %s are refused", async (_, map: Record<string, string>, files: Record<string, readonly string[]>, code, message) => {
    await expect(readModelTensors(await sharded(map, files))).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it("of Python objects are refused with what to do", async () => {
    const directory = await temporaryDirectory();
    await writeFile(join(directory, "pytorch_model.bin"), "");
    await expect(readModelTensors(directory)).rejects.toMatchObject({ code: "TL_MODEL_MISSING", hint: expect.stringContaining("save the model again as safetensors") });
  });
});
