import { describe, expect, it } from "vitest";
import { readCsv } from "../../../data/containers/csv.js";
import { defaultLimits } from "../../../data/containers/limits.js";
import { collected, fixture, readFixture, scratchFiles, shown, unreadable } from "./files.js";

const write = scratchFiles();
const rowsOf = async (content: string | Uint8Array) => shown(readCsv(await write("rows.csv", content)));

describe("a csv file", () => {
  it("reads as Python's csv wrote it: quotes, commas and line ends in cells", async () => {
    const rows = await collected(readCsv(fixture("prompts.csv")));
    const texts = await readFixture("prompts.json") as string[];
    expect(rows.map((row) => ("value" in row ? row.value : row))).toEqual(texts.map((prompt, index) => ({ prompt, ...(index === 0 && { group: "first" }), tags: { language: "en" } })));
  });

  it("names a row's first line, whatever line ends its cells hold", async () => {
    expect(await rowsOf("a,b\n1,\"x\ny\"\n\n2,z\r\n3,w")).toEqual(["2: {\"a\":\"1\",\"b\":\"x\\ny\"}", "4: {\"a\":\"2\",\"b\":\"z\"}", "6: {\"a\":\"3\",\"b\":\"w\"}"]);
  });

  it("leaves empty cells out, keeps all others as text, and reads lists as JSON", async () => {
    expect(await rowsOf("\ufeffprompt,group,messages\n007,,\"[{\"\"role\"\":\"\"user\"\"}]\"\n")).toEqual(["2: {\"prompt\":\"007\",\"messages\":[{\"role\":\"user\"}]}"]);
  });

  it("has bad rows where cells are missing, too many, or no JSON", async () => {
    expect(await rowsOf("a,messages\n1\n1,2,3\n1,[oops\n")).toEqual([
      "2! 1 cells, and the first line names 2 columns", "3! 3 cells, and the first line names 2 columns", "4! messages: no JSON: [oops",
    ]);
  });

  it.each([
    ["a column twice", "a,a\n1,2\n", /two columns named "a"/],
    ["semicolons between its cells", "prompt;response\n1;2\n", /one column, named "prompt;response"/],
    ["tabs between its cells", "prompt\tresponse\n1\t2\n", /one column/],
    ["a quote that does not end", "a\n\"x\n", /is no csv: .*quote/i],
    ["a quote inside a cell", "a\nx\"y\n", /is no csv/],
    ["a character that is cut at its end", Buffer.from([0x61, 0x0a, 0xc3]), /no valid UTF-8/],
    ["bytes that are no UTF-8", Buffer.from([0x61, 0x0a, 0xff, 0x0a]), /no valid UTF-8/],
  ])("is refused with %s", async (_, content, message) => {
    await expect(rowsOf(content)).rejects.toEqual(unreadable(message));
  });

  it("says which mark parts its cells where they are not parted by commas", async () => {
    await expect(rowsOf("prompt;response\n1;2\n")).rejects.toMatchObject({ hint: "Its cells seem to be parted by \";\": part them by commas." });
  });

  it("is refused past the limit of a row, and can be left early", async () => {
    const path = await write("long.csv", `a\n${"x".repeat(100_000)}\n`);
    await expect(collected(readCsv(path, { ...defaultLimits, lineBytes: 5000 }))).rejects.toEqual(unreadable(/longer than 5000 bytes/));
    const many = await write("many.csv", `a\n${"x\n".repeat(20_000)}`);
    for await (const { line } of readCsv(many)) if (line === 5) break;
  });
});
