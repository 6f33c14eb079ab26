import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";

/** Rows in an order, read when they are asked for; a list of them in memory will do. */
export interface Rows<Row> extends Iterable<Row> {
  readonly length: number;
  at(index: number): Row | undefined;
}

/** How an item is kept. */
export interface Codec<Item> {
  readonly encode: (item: Item) => Uint8Array;
  readonly decode: (bytes: Buffer) => Item;
}

/** Items as JSON. */
export function jsonCodec<Item>(): Codec<Item> {
  // What is decoded is what was encoded a moment ago, by the same program.
  return { encode: (item) => Buffer.from(JSON.stringify(item)), decode: (bytes) => JSON.parse(bytes.toString()) as Item };
}

/** Lists of tokens: their lengths, then themselves, in 32 bits each. */
export const tokensCodec: Codec<readonly Int32Array[]> = {
  encode: (lists) => {
    const all = new Int32Array(1 + lists.length + lists.reduce((sum, { length }) => sum + length, 0));
    all.set([lists.length, ...lists.map(({ length }) => length)]);
    let at = 1 + lists.length;
    for (const list of lists) {
      all.set(list, at);
      at += list.length;
    }
    return new Uint8Array(all.buffer);
  },
  decode: (bytes) => {
    // A copy, because a view has to begin at a multiple of four.
    const all = new Int32Array(new Uint8Array(bytes).buffer);
    let at = 1 + all[0]!;
    return Array.from({ length: all[0]! }, (_, list) => all.slice(at, at += all[1 + list]!));
  },
};

/** Bytes of a list that stay in memory; what comes before them goes to disk when they are exceeded. */
const memoryBytes = 16 * 2 ** 20;

const files = new FinalizationRegistry<number>((file) => { closeSync(file); });

/**
 * A list that grows at its end and keeps its items in a file once they are many: whatever their size, it holds some
 * 16 MiB and 8 bytes an item in memory. The file has no name, so it is gone with the list or the process.
 */
export class SpilledRows<Item> implements Rows<Item> {
  private count = 0;
  /** Where each item ends. */
  private ends = new Float64Array(1024);
  private tail: Buffer = Buffer.alloc(1 << 16);
  private tailBytes = 0;
  private file: number | undefined;
  private fileBytes = 0;

  /** @param folder where the file is made. */
  constructor(private readonly codec: Codec<Item>, private readonly folder: string = tmpdir(), private readonly held: number = memoryBytes) {}

  get length(): number {
    return this.count;
  }

  push(item: Item): void {
    const bytes = this.codec.encode(item);
    if (this.tailBytes + bytes.length > this.held) this.spill();
    if (this.tailBytes + bytes.length > this.tail.length) {
      const larger = Buffer.alloc(Math.max(2 * this.tail.length, this.tailBytes + bytes.length));
      this.tail.copy(larger, 0, 0, this.tailBytes);
      this.tail = larger;
    }
    this.tail.set(bytes, this.tailBytes);
    this.tailBytes += bytes.length;
    if (this.count === this.ends.length) {
      const more = new Float64Array(2 * this.count);
      more.set(this.ends);
      this.ends = more;
    }
    this.ends[this.count++] = this.fileBytes + this.tailBytes;
  }

  at(index: number): Item | undefined {
    if (!(index >= 0 && index < this.count)) return undefined;
    const start = index === 0 ? 0 : this.ends[index - 1]!;
    const end = this.ends[index]!;
    if (start >= this.fileBytes) return this.codec.decode(this.tail.subarray(start - this.fileBytes, end - this.fileBytes));
    const bytes = Buffer.alloc(end - start);
    for (let read = 0; read < bytes.length;) {
      const more = readSync(this.file!, bytes, read, bytes.length - read, start + read);
      if (more === 0) throw new Error("the file of a list of rows is shorter than it was");
      read += more;
    }
    return this.codec.decode(bytes);
  }

  *[Symbol.iterator](): Generator<Item> {
    for (let index = 0; index < this.count; index++) yield this.at(index)!;
  }

  private spill(): void {
    if (this.file === undefined) {
      const path = join(this.folder, `trueline-rows-${randomUUID()}`);
      this.file = openSync(path, "wx+", 0o600);
      unlinkSync(path);
      files.register(this, this.file);
    }
    for (let written = 0; written < this.tailBytes;) {
      written += writeSync(this.file, this.tail, written, this.tailBytes - written, this.fileBytes + written);
    }
    this.fileBytes += this.tailBytes;
    this.tailBytes = 0;
  }
}

/** Rows made of others by index. */
class MappedRows<Row> implements Rows<Row> {
  constructor(readonly length: number, private readonly rowAt: (index: number) => Row) {}

  at(index: number): Row | undefined {
    return index >= 0 && index < this.length ? this.rowAt(index) : undefined;
  }

  *[Symbol.iterator](): Generator<Row> {
    for (let index = 0; index < this.length; index++) yield this.rowAt(index);
  }
}

/** What `change` makes of each row, each time that it is asked for. */
export function mapped<Row, Result>(rows: Rows<Row>, change: (row: Row, index: number) => Result): Rows<Result> {
  return new MappedRows(rows.length, (index) => change(rows.at(index)!, index));
}

/** The rows at some indices, in their order. */
export function selected<Row>(rows: Rows<Row>, indices: ArrayLike<number>): Rows<Row> {
  return new MappedRows(indices.length, (index) => rows.at(indices[index]!)!);
}

/** Indices of the rows that are wanted, in their order. */
export function indicesWhere<Row>(rows: Rows<Row>, isWanted: (row: Row) => boolean): Int32Array {
  const indices = new Int32Array(rows.length);
  let count = 0;
  let index = 0;
  for (const row of rows) {
    if (isWanted(row)) indices[count++] = index;
    index++;
  }
  return indices.subarray(0, count);
}

/** The rows of several lists, one after another. */
export function joined<Row>(lists: readonly Rows<Row>[]): Rows<Row> {
  const [only] = lists;
  if (only !== undefined && lists.length === 1) return only;
  const starts: number[] = [];
  let length = 0;
  for (const list of lists) {
    starts.push(length);
    length += list.length;
  }
  return new MappedRows(length, (index) => {
    const list = starts.findLastIndex((start, at) => start <= index && lists[at]!.length > 0);
    return lists[list]!.at(index - starts[list]!)!;
  });
}
