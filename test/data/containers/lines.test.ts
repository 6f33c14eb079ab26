import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { defaultLimits, type DataLimits } from "../../../data/containers/limits.js";
import { readLines } from "../../../data/containers/lines.js";

let folder: string;
beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), "trueline-lines-")); });
afterAll(() => rm(folder, { recursive: true }));

async function linesOf(name: string, content: string | Uint8Array, limits: Partial<DataLimits> = {}): Promise<string[]> {
  const path = join(folder, name);
  await writeFile(path, content);
  const lines: string[] = [];
  for await (const { number, bytes } of readLines(path, { ...defaultLimits, ...limits })) lines.push(`${number}:${Buffer.from(bytes).toString()}`);
  return lines;
}

const unreadable = (message: RegExp) => expect.objectContaining({ code: "TL_DATA_UNREADABLE", message: expect.stringMatching(message) as unknown });

describe("reading lines", () => {
  it("takes LF and CR LF, blank lines, and a last line without an end", async () => {
    expect(await linesOf("a.txt", "one\r\n\ntwo\nthree")).toEqual(["1:one", "2:", "3:two", "4:three"]);
    expect(await linesOf("a.txt", "")).toEqual([]);
  });

  it("joins lines and characters that the file system hands over in parts", async () => {
    const long = "字".repeat(100_000);
    expect(await linesOf("long.txt", `${long}\nend\n`)).toEqual([`1:${long}`, "2:end"]);
  });

  it("decompresses, several gzip members too", async () => {
    expect(await linesOf("a.txt.gz", Buffer.concat([gzipSync("one\ntw"), gzipSync("o\n")]))).toEqual(["1:one", "2:two"]);
  });

  it("says when gzip is damaged, cut or none at all", async () => {
    const whole = gzipSync("line\n".repeat(1000));
    await expect(linesOf("cut.gz", whole.subarray(0, whole.length - 20))).rejects.toEqual(unreadable(/cut\.gz can't be read/));
    await expect(linesOf("none.gz", "plain")).rejects.toEqual(unreadable(/incorrect header/));
  });

  it("refuses a line, a file or a ratio past the limits", async () => {
    await expect(linesOf("line.txt", `ok\n${"x".repeat(2000)}\n`, { lineBytes: 1000 })).rejects.toEqual(unreadable(/line 2 is longer than 1000 bytes/));
    await expect(linesOf("total.gz", gzipSync("x\n".repeat(10_000)), { totalBytes: 5000 })).rejects.toEqual(unreadable(/more than 5000 bytes/));
    await expect(linesOf("bomb.gz", gzipSync("x\n".repeat(1_000_000)), { freeBytes: 10_000 })).rejects.toEqual(unreadable(/200 times its size/));
  });

  it("can be left early", async () => {
    const path = join(folder, "early.gz");
    await writeFile(path, gzipSync("line\n".repeat(100_000)));
    for await (const { number } of readLines(path)) if (number === 3) break;
  });

  it("says when there is no file", async () => {
    await expect(readLines(join(folder, "none")).next()).rejects.toEqual(unreadable(/ENOENT/));
  });
});
