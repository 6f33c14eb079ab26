import { Decompress } from "fzstd";

/** Bytes handed to the decoder at once: a block of 4 bytes may stand for 128 KiB, so this many give at most 32 MiB. */
const sliceBytes = 1024;
/** The largest window that is reserved, as in the reference decoder. */
const largestWindow = 2 ** 27;

/** Decompresses Zstandard, frame after frame; checksums are not looked at. Throws Error where the data are damaged. */
export async function* unzstd(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let ready: Uint8Array[] = [];
  const decoder = new Decompress((chunk) => { if (chunk.length > 0) ready.push(chunk); });
  const frames = new FrameWatch();
  const push = (slice: Uint8Array, final: boolean): Uint8Array[] => {
    frames.see(slice);
    decoder.push(slice, final);
    const unpacked = ready;
    ready = [];
    return unpacked;
  };
  for await (const chunk of packed) {
    for (let start = 0; start < chunk.length; start += sliceBytes) yield* push(chunk.subarray(start, start + sliceBytes), false);
  }
  yield* push(new Uint8Array(0), true);
}

/** Magic numbers of frames, and of frames that hold no data, but for their last four bits. Source: RFC 8878 §3.1. */
const frameMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;
const longestHeader = 18;

/** Follows the frames of a stream ahead of the decoder, which reserves whatever window a frame asks for. */
class FrameWatch {
  private header: number[] = [];
  private expects: "frame" | "block" = "frame";
  private passing = 0;

  /** Throws Error for a frame that the decoder must not see. */
  see(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.passing > 0) {
        const step = Math.min(this.passing, bytes.length - at);
        this.passing -= step;
        at += step;
        continue;
      }
      this.header.push(bytes[at++]!);
      const read = this.expects === "frame" ? this.frame() : this.block();
      if (read) this.header = [];
    }
  }

  /** Whether the frame's header is whole. */
  private frame(): boolean {
    const { header } = this;
    if (header.length < 5) return false;
    const magic = littleEndian(header, 0, 4);
    if (magic >= skippableMagic && magic < skippableMagic + 16) {
      if (header.length < 8) return false;
      this.passing = littleEndian(header, 4, 4);
      return true;
    }
    if (magic !== frameMagic) throw new Error("no zstd data");
    const descriptor = header[4]!;
    const single = (descriptor & 0x20) !== 0;
    const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
    const sizeAt = 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!;
    if (header.length < Math.min(sizeAt + sizeBytes, longestHeader)) return false;
    const window = single ? littleEndian(header, sizeAt, sizeBytes) : windowOf(header[5]!);
    if (window > largestWindow) throw new Error(`a zstd window of more than ${largestWindow / 2 ** 20} MiB`);
    this.checksum = (descriptor & 4) !== 0 ? 4 : 0;
    this.expects = "block";
    return true;
  }

  private checksum = 0;

  private block(): boolean {
    if (this.header.length < 3) return false;
    const word = littleEndian(this.header, 0, 3);
    const [isLast, type, size] = [(word & 1) !== 0, (word >> 1) & 3, word >> 3];
    this.passing = type === 1 ? 1 : size;
    if (isLast) {
      this.passing += this.checksum;
      this.expects = "frame";
    }
    return true;
  }
}

function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

function littleEndian(bytes: readonly number[], start: number, length: number): number {
  let value = 0;
  for (let index = length - 1; index >= 0; index--) value = value * 256 + bytes[start + index]!;
  return value;
}
