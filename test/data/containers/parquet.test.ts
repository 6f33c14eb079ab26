import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { defaultLimits } from "../../../data/containers/limits.js";
import { readParquet } from "../../../data/containers/parquet.js";
import { collected, fixture, readFixture, scratchFiles, unreadable } from "./files.js";

const write = scratchFiles();
const rowsOf = async (path: string, limits = {}) => collected(readParquet(path, { ...defaultLimits, ...limits }));

describe("a parquet file", () => {
  it.each(["none", "snappy", "gzip", "brotli", "zstd", "lz4", "v2"])("reads as pyarrow was given it, over several row groups: %s", async (codec) => {
    const rows = await rowsOf(fixture(`dialogues-${codec}.parquet`));
    const expected = await readFixture("dialogues.json") as object[];
    expect(rows.map((row) => row.line)).toEqual(expected.map((_, index) => index + 1));
    expect(rows.map((row) => ("value" in row ? row.value : row))).toEqual(expected.map((row) => ({ group: null, ...row })));
  });

  it.each(["types", "types-v2"])("gives values of every type as JSON has them, nulls at every depth among them: %s", async (name) => {
    const rows = await rowsOf(fixture(`${name}.parquet`));
    expect(rows.map(({ line }) => line)).toEqual([1, 2, 3]);
    const nothing = Object.fromEntries(["text", "large", "kind", "flag", "small", "wide", "single", "double", "day", "moment"].map((column) => [column, null]));
    expect(rows.map((row) => ("value" in row ? row.value : row))).toEqual([
      {
        text: "a", large: "字", kind: "x", flag: true, small: -7, wide: -7, single: 0.5, double: 0.1, day: "2026-01-02T00:00:00.000Z", moment: "2026-01-02T03:04:05.000Z",
        texts: ["a", null, ""], turns: [[{ role: "user", content: "a" }], [], null], record: { inner: { list: [1, 2] }, other: null },
      },
      // A list or record that is null is not there.
      nothing,
      {
        text: "", large: "z", kind: "x", flag: false, small: 2 ** 31 - 1, wide: 2 ** 53, single: -1.5, double: 0, day: "1969-12-31T00:00:00.000Z", moment: "1969-12-31T00:00:00.000Z",
        texts: [], turns: [[{ role: null, content: "b" }, null]], record: { other: "o" },
      },
    ]);
  });

  it("numbers its rows through, however many a row group has", async () => {
    const rows = await rowsOf(fixture("many.parquet"));
    expect(rows).toEqual(Array.from({ length: 1200 }, (_, index) => ({ line: index + 1, value: { number: index } })));
  });

  it("can be left early", async () => {
    for await (const { line } of readParquet(fixture("dialogues-zstd.parquet"))) if (line === 2) break;
  });

  it("is refused where a row group is larger than allowed, with what would help", async () => {
    await expect(rowsOf(fixture("dialogues-none.parquet"), { groupBytes: 2 ** 20, groupValues: 20 })).rejects.toEqual(unreadable(/says that it has \d+ values, more than 20/));
    await expect(rowsOf(fixture("dialogues-none.parquet"), { groupBytes: 100 })).rejects.toEqual(unreadable(/a row group holds more than 100 bytes/));
    await expect(rowsOf(fixture("dialogues-none.parquet"), { groupValues: 10 })).rejects.toEqual(unreadable(/says that it has \d+ rows, more than 10/));
    await expect(rowsOf(fixture("dialogues-none.parquet"), { groupValues: 10 })).rejects.toMatchObject({ hint: expect.stringMatching(/row_group_size.*TRUELINE_DATA_LIMIT_FACTOR/) as unknown });
  });

  it("is refused where it is cut, none, or a text in it is no UTF-8", async () => {
    const bytes = await readFile(fixture("dialogues-none.parquet"));
    await expect(rowsOf(await write("cut.parquet", bytes.subarray(0, 2000)))).rejects.toEqual(unreadable(/can't be read as parquet/));
    await expect(rowsOf(await write("empty.parquet", ""))).rejects.toEqual(unreadable(/too short/));
    await expect(rowsOf(await write("none.parquet", "{\"prompt\":\"a\"}\n"))).rejects.toEqual(unreadable(/does not end with PAR1/));
    const footer = Buffer.from(bytes);
    footer.writeUInt32LE(2 ** 31, bytes.length - 8);
    await expect(rowsOf(await write("footer.parquet", footer))).rejects.toEqual(unreadable(/its footer says that it has 2048 MiB/));
    const place = bytes.indexOf("What is 0");
    const spoilt = Buffer.from(bytes);
    spoilt[place] = 0xff;
    await expect(rowsOf(await write("spoilt.parquet", spoilt))).rejects.toEqual(unreadable(/no valid UTF-8/));
  });

  it.each([11, 150, 420])("that lies about its footer is refused or read, and never more than that: byte %i of it", async (place) => {
    const bytes = Buffer.from(await readFile(fixture("dialogues-snappy.parquet")));
    const at = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8) + place;
    bytes[at] = 0xff - bytes[at]!;
    await rowsOf(await write("lying.parquet", bytes)).catch((error: unknown) => { expect(error).toEqual(unreadable(/lying\.parquet/)); });
  });

  // The last page of dialogues-none.parquet's first row group holds 15 numbers: a header of Thrift's compact protocol, then the values.
  const page = Buffer.from("1500152015202c151e1510150615061c1808", "hex");
  it.each([
    ["promises two billion values in a page", "feffffff0f", "020000001e01", /says that it has 2147483647 values/],
    ["has a run of a billion values", "1e", "06000000feffffff0f01", /takes more than 512 MiB/],
  ])("that %s ends with an error and not with the program", async (_, count, levels, why) => {
    const bytes = Buffer.from(await readFile(fixture("dialogues-none.parquet")));
    const at = bytes.indexOf(page);
    const length = bytes.indexOf("020000001e0104", at, "hex") + 16 - at;
    const header = (body: number) => Buffer.from(`150015${zigzag(body)}15${zigzag(body)}2c15${count}15101506150600` + "00", "hex");
    const body = Buffer.alloc(length - header(length).length);
    Buffer.from(levels, "hex").copy(body);
    Buffer.concat([header(body.length), body]).copy(bytes, at);
    await expect(rowsOf(await write("lying.parquet", bytes), { groupBytes: 2 ** 20 })).rejects.toEqual(unreadable(why));
  });
});

/** A number below 64 as a signed varint, in hex. */
const zigzag = (value: number): string => (2 * value).toString(16).padStart(2, "0");
