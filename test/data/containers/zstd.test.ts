import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { defaultLimits } from "../../../data/containers/limits.js";
import { readLines } from "../../../data/containers/lines.js";
import { collected, fixture, scratchFiles, unreadable } from "./files.js";

const write = scratchFiles();
const linesOf = async (path: string, limits = {}) => (await collected(readLines(path, { ...defaultLimits, ...limits }))).map(({ bytes }) => Buffer.from(bytes).toString());
const whole = Array.from({ length: 3000 }, (_, index) => `{"prompt": "Question ${index}"}`);

describe("a file in .zst", () => {
  it.each(["prompts-1", "prompts-19", "prompts-frames"])("reads as the reference encoder was given it: %s", async (name) => {
    expect(await linesOf(fixture(`${name}.jsonl.zst`))).toEqual(whole);
  });

  it("is refused where it is cut, damaged or none", async () => {
    const bytes = await readFile(fixture("prompts-frames.jsonl.zst"));
    for (const length of [3, 20, 400, bytes.length - 1]) await expect(linesOf(await write("cut.zst", bytes.subarray(0, length)))).rejects.toEqual(unreadable(/cut\.zst can't be read/));
    const damaged = Buffer.from(bytes);
    damaged.fill(0xff, 40, 80);
    await expect(linesOf(await write("damaged.zst", damaged))).rejects.toEqual(unreadable(/damaged\.zst can't be read/));
    await expect(linesOf(await write("none.zst", "plain text"))).rejects.toEqual(unreadable(/no zstd data/));
    await expect(linesOf(await write("more.zst", Buffer.concat([bytes, Buffer.from("and more")])))).rejects.toEqual(unreadable(/no zstd data/));
  });

  it("is refused where it is cut behind its last row: in a checksum, or in the header of a frame that follows", async () => {
    const bytes = await readFile(fixture("prompts-1.jsonl.zst"));
    for (const cut of [bytes.subarray(0, -1), bytes.subarray(0, -4), Buffer.concat([bytes, bytes.subarray(0, 3)]), Buffer.concat([bytes, bytes.subarray(0, 5)])]) {
      await expect(linesOf(await write("cut.zst", cut)), `${cut.length} of ${bytes.length} bytes`).rejects.toEqual(unreadable(/cut\.zst can't be read/));
    }
  });

  it("may not ask for a window of 2 GiB, in any of its frames", async () => {
    const window = await readFile(fixture("window-2g.jsonl.zst"));
    const first = await readFile(fixture("prompts-1.jsonl.zst"));
    await expect(linesOf(fixture("window-2g.jsonl.zst"))).rejects.toEqual(unreadable(/window of more than 128 MiB/));
    await expect(linesOf(await write("second.zst", Buffer.concat([first, window])))).rejects.toEqual(unreadable(/window of more than 128 MiB/));
  });

  it("may not be a bomb: blocks of 4 bytes that stand for 128 KiB each", async () => {
    // A frame of 256 KiB window, then RLE blocks of line feeds: 4,000 of them are 16 KB, and 500 MiB.
    const block = (last: boolean) => [...littleEndian((131072 << 3) | 2 | (last ? 1 : 0), 3), 0x0a];
    const bomb = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x40, ...Array.from({ length: 4000 }, (_, index) => block(index === 3999)).flat()]);
    const before = process.memoryUsage().rss;
    const readOn = async (path: string) => { for await (const line of readLines(path, { ...defaultLimits, freeBytes: 2 ** 20 })) if (line.bytes.length > 0) throw new Error("no bomb"); };
    await expect(readOn(await write("bomb.zst", bomb))).rejects.toEqual(unreadable(/decompresses to more than 200 times its size/));
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
    expect(await linesOf(await write("small.zst", Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x40, ...block(true)])))).toHaveLength(131072);
  });
});

function littleEndian(value: number, length: number): number[] {
  return Array.from({ length }, (_, index) => (value >>> (8 * index)) & 0xff);
}
