import { constants } from "node:fs";
import { type FileHandle, open, readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { writeDurably } from "../foundation/files.js";
import { readRegular } from "../foundation/regular-file.js";
import { fromBrainFloat, fromHalf, toBrainFloat } from "./float16.js";
import { type ElementType, elementBytes, maxHeaderBytes, parseHeader } from "./safetensors-header.js";
import { sizeOf } from "./parameters.js";

export interface Tensor {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: Float32Array;
}

export interface SafetensorsFile {
  /** In the order of their bytes in the file. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The type that tensors are written in; default F32. */
interface Narrowing {
  readonly type?: "F32" | "BF16";
}

const widen: Readonly<Record<ElementType, (bytes: ArrayBuffer) => Float32Array>> = {
  F64: (bytes) => Float32Array.from(new Float64Array(bytes)),
  F32: (bytes) => new Float32Array(bytes),
  F16: (bytes) => fromHalf(new Uint16Array(bytes)),
  BF16: (bytes) => fromBrainFloat(new Uint16Array(bytes)),
};

/** Reads a safetensors file into float32. @throws TL_MODEL_MISSING, TL_MODEL_FILE, TL_MODEL_UNSUPPORTED. */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await openModelFile(path);
  try {
    const { size } = await file.stat();
    const fail = (wrong: string): never => {
      throw new TruelineError("TL_MODEL_FILE", `${path}: ${wrong}`, { hint: "The file is damaged or incomplete; fetch or write it again." });
    };
    if (size < 8) fail(`the file has ${size} bytes; even an empty one has 8`);
    const headerBytes = Number(Buffer.from(await readExactly(file, 0, 8, path)).readBigUInt64LE());
    if (headerBytes > Math.min(size - 8, maxHeaderBytes)) fail(`the header claims ${headerBytes} bytes of a file of ${size}`);
    const begin = 8 + headerBytes;
    const text = Buffer.from(await readExactly(file, 8, headerBytes, path)).toString("utf8");
    const header = parseHeader(text, size - begin, path);
    const tensors = new Map<string, Tensor>();
    for (const entry of header.entries) {
      const bytes = await readExactly(file, begin + entry.begin, entry.end - entry.begin, path);
      tensors.set(entry.name, { shape: entry.shape, data: widen[entry.type](bytes) });
    }
    return { tensors, metadata: header.metadata };
  } finally {
    await file.close();
  }
}

const wholeFile = "model.safetensors";
const indexFile = "model.safetensors.index.json";

const indexForm = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

/**
 * All tensors of a model directory: model.safetensors, or the shards that model.safetensors.index.json names.
 * @throws TL_MODEL_MISSING, TL_MODEL_FILE, TL_MODEL_UNSUPPORTED, naming the file.
 */
export async function readModelTensors(directory: string): Promise<ReadonlyMap<string, Tensor>> {
  const names: readonly string[] = await readdir(directory).catch(() => []);
  if (names.includes(wholeFile)) return (await readSafetensors(join(directory, wholeFile))).tensors;
  if (names.includes(indexFile)) return readShards(directory, join(directory, indexFile));
  const pickled = names.find((name) => /^pytorch_model.*\.bin$/.test(name));
  throw new TruelineError("TL_MODEL_MISSING", `${directory} has neither ${wholeFile} nor ${indexFile}`, {
    hint: pickled === undefined ? "Point to a Hugging Face model directory." : `${pickled} holds Python objects, which are not read: save the model again as safetensors.`,
  });
}

async function readShards(directory: string, path: string): Promise<ReadonlyMap<string, Tensor>> {
  const fail = (wrong: string): never => {
    throw new TruelineError("TL_MODEL_FILE", `${path}: ${wrong}`, { hint: "The index and its shards must come from one save." });
  };
  const index = parseIndex(await readRegular(path, maxHeaderBytes)) ?? fail("it is not a JSON object with a weight_map of names to files");
  const files = [...new Set(Object.values(index))].sort();
  const tensors = new Map<string, Tensor>();
  for (const file of files) {
    if (file !== basename(file) || file.startsWith(".")) fail(`weight_map names ${JSON.stringify(file)}; shards lie beside their index`);
    for (const [name, tensor] of (await readSafetensors(join(directory, file))).tensors) {
      if (tensors.has(name)) fail(`tensor ${name} is in ${file} and in another shard`);
      if (index[name] !== file) fail(`tensor ${name} is in ${file}, which weight_map does not say`);
      tensors.set(name, tensor);
    }
  }
  const absent = Object.keys(index).find((name) => !tensors.has(name));
  if (absent !== undefined) fail(`tensor ${absent} is not in ${index[absent]}`);
  return tensors;
}

function parseIndex(text: string): Readonly<Record<string, string>> | undefined {
  try {
    const index = indexForm.safeParse(JSON.parse(text));
    return index.success ? index.data.weight_map : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Writes one file of tensors in the given order, whole or not at all, and fsynced. `format: "pt"`, without which
 * transformers refuses a file, is added to the metadata.
 */
export async function writeSafetensors(
  path: string, tensors: Iterable<readonly [string, Tensor]>, { metadata = {}, type = "F32" }: { readonly metadata?: Readonly<Record<string, string>> } & Narrowing = {},
): Promise<void> {
  const listed = [...tensors];
  let end = 0;
  const entries = listed.map(([name, { shape, data }]) => {
    if (sizeOf(shape) !== data.length) throw new RangeError(`tensor ${name} of shape [${shape.join(", ")}] holds ${data.length} elements`);
    const begin = end;
    end += data.length * elementBytes[type];
    return [name, { dtype: type, shape, data_offsets: [begin, end] }] as const;
  });
  const header = JSON.stringify({ __metadata__: { format: "pt", ...metadata }, ...Object.fromEntries(entries) });
  // spaces bring the data to a multiple of 8 bytes
  const padded = Buffer.from(header + " ".repeat((8 - (Buffer.byteLength(header) % 8)) % 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  await writeDurably(path, pieces());

  function* pieces(): Generator<Uint8Array> {
    yield length;
    yield padded;
    for (const [, tensor] of listed) {
      const { buffer, byteOffset, byteLength } = type === "F32" ? tensor.data : toBrainFloat(tensor.data);
      yield new Uint8Array(buffer, byteOffset, byteLength);
    }
  }
}

/** Bytes of tensors in one file, at most, as in transformers. */
export const usualShardBytes = 5_000_000_000;

/**
 * Writes a model's tensors: model.safetensors, or where they take more than `shardBytes` as many shards as it needs
 * and model.safetensors.index.json, in the layout of transformers. The index comes last, so that what it names is there.
 */
export async function writeModelTensors(directory: string, tensors: ReadonlyMap<string, Tensor>, { shardBytes = usualShardBytes, type = "F32" }: { readonly shardBytes?: number } & Narrowing = {}): Promise<void> {
  const shards: [string, Tensor][][] = [[]];
  let [room, total] = [shardBytes, 0];
  for (const [name, tensor] of tensors) {
    const bytes = tensor.data.length * elementBytes[type];
    if (bytes > room && shards.at(-1)!.length > 0) {
      shards.push([]);
      room = shardBytes;
    }
    shards.at(-1)!.push([name, tensor]);
    room -= bytes;
    total += bytes;
  }
  if (shards.length === 1) {
    await writeSafetensors(join(directory, wholeFile), tensors, { type });
    await rm(join(directory, indexFile), { force: true });
    return;
  }
  const weightMap: Record<string, string> = {};
  for (const [index, shard] of shards.entries()) {
    const number = (value: number): string => String(value).padStart(5, "0");
    const file = `model-${number(index + 1)}-of-${number(shards.length)}.safetensors`;
    await writeSafetensors(join(directory, file), shard, { type });
    for (const [name] of shard) weightMap[name] = file;
  }
  await writeDurably(join(directory, indexFile), `${JSON.stringify({ metadata: { total_size: total }, weight_map: weightMap }, undefined, 2)}\n`);
  // readers take the whole file where there is one
  await rm(join(directory, wholeFile), { force: true });
}

async function openModelFile(path: string): Promise<FileHandle> {
  let file: FileHandle;
  try {
    // Opening a pipe would wait for its other end.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new TruelineError("TL_MODEL_MISSING", `${path} can't be opened`, { hint: "A model directory has its weights as safetensors files.", cause: error });
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new TruelineError("TL_MODEL_FILE", `${path} is no regular file`, { hint: "A model directory has its weights as safetensors files." });
}

/** Room for a tensor, whose header told the truth about the file: a sparse file may be larger than any memory. */
function allocate(length: number, path: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length);
  } catch (error) {
    throw new TruelineError("TL_MODEL_FILE", `${path}: a tensor of ${length} bytes is more than the memory holds`, {
      hint: "Use a smaller model, or a machine with more memory.", cause: error,
    });
  }
}

/** Largest single read; Linux stops at 2 GiB. */
const chunkBytes = 1 << 30;

async function readExactly(file: FileHandle, position: number, length: number, path: string): Promise<ArrayBuffer> {
  const bytes = allocate(length, path);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, Math.min(chunkBytes, length - done), position + done);
    if (bytesRead === 0) {
      throw new TruelineError("TL_MODEL_FILE", `${path}: the file ended while it was read`, { hint: "Something else is writing it." });
    }
    done += bytesRead;
  }
  return bytes.buffer;
}
