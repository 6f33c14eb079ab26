/**
 * Messages as frames: 4 and 8 bytes of lengths, a JSON header, and the raw arrays that it names. An array is
 * `{"$float32": [first, count]}` or `{"$int32": [first, count]}`, in elements of 4 bytes, little-endian, from the start
 * of the arrays; a number that JSON can't hold is `{"$number": "NaN" | "Infinity" | "-Infinity"}`. The other side is
 * trueline_torch/frames.py.
 */
const lengthBytes = 12;

/** A message as one frame. Fields that are undefined are left out. */
export function encodeFrame(message: unknown): Buffer {
  const arrays: (Float32Array | Int32Array)[] = [];
  let elements = 0;
  const place = (tag: string, array: Float32Array | Int32Array): unknown => {
    arrays.push(array);
    elements += array.length;
    return { [tag]: [elements - array.length, array.length] };
  };
  const plain = (value: unknown): unknown => {
    if (value instanceof Float32Array) return place("$float32", value);
    if (value instanceof Int32Array) return place("$int32", value);
    if (typeof value === "number" && !Number.isFinite(value)) return { $number: String(value) };
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]));
    return value;
  };
  const header = Buffer.from(JSON.stringify(plain(message)));
  const lengths = Buffer.alloc(lengthBytes);
  lengths.writeUInt32LE(header.length);
  lengths.writeBigUInt64LE(BigInt(4 * elements), 4);
  return Buffer.concat([lengths, header, ...arrays.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength))]);
}

/** Puts frames together from the chunks in which they arrive. */
export class FrameReader {
  private chunks: Buffer[] = [];
  private held = 0;

  constructor(private readonly onMessage: (message: unknown) => void) {}

  add(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.held += chunk.length;
    for (;;) {
      if (this.held < lengthBytes) return;
      const start = this.peek(lengthBytes);
      const headerEnd = lengthBytes + start.readUInt32LE();
      const end = headerEnd + Number(start.readBigUInt64LE(4));
      if (this.held < end) return;
      const frame = this.take(end);
      this.onMessage(decode(JSON.parse(frame.toString("utf8", lengthBytes, headerEnd)), frame.subarray(headerEnd)));
    }
  }

  private peek(length: number): Buffer {
    if (this.chunks[0]!.length < length) this.chunks = [Buffer.concat(this.chunks)];
    return this.chunks[0]!;
  }

  private take(length: number): Buffer {
    const all = this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks);
    const rest = all.subarray(length);
    this.chunks = rest.length === 0 ? [] : [rest];
    this.held = rest.length;
    return all.subarray(0, length);
  }
}

function decode(value: unknown, arrays: Buffer): unknown {
  if (Array.isArray(value)) return value.map((item) => decode(item, arrays));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  const [tag, content] = entries[0] ?? [];
  if (tag === "$number") return Number(content);
  if (tag === "$float32" || tag === "$int32") {
    const [first, count] = content as readonly [number, number];
    // copied, because a frame's arrays need not lie at a multiple of 4
    const { buffer } = Uint8Array.from(arrays.subarray(4 * first, 4 * (first + count)));
    return tag === "$float32" ? new Float32Array(buffer) : new Int32Array(buffer);
  }
  return Object.fromEntries(entries.map(([name, item]) => [name, decode(item, arrays)]));
}
