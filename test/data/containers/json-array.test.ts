import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readArray } from "../../../data/containers/json-array.js";
import { defaultLimits } from "../../../data/containers/limits.js";
import { collected, scratchFiles, unreadable } from "./files.js";

const write = scratchFiles();
const elements = async (content: string | Uint8Array, { name = "rows.json", limits = {} } = {}) =>
  (await collected(readArray(await write(name, content), { ...defaultLimits, ...limits }))).map(({ number, bytes }) => `${number}:${Buffer.from(bytes).toString().trim()}`);

describe("a JSON array", () => {
  it("is its elements, each with the line where it starts", async () => {
    expect(await elements("\ufeff[\n {\"a\": \"]},\\\"[\"},\n\n [1,\n [2]]\n, \"x,\\\\\", null ]\n")).toEqual(["2:{\"a\": \"]},\\\"[\"}", "4:[1,\n [2]]", "6:\"x,\\\\\"", "6:null"]);
    expect(await elements(" [ ] ")).toEqual([]);
    expect(await elements("")).toEqual([]);
  });

  it("is the same whatever parts the file comes in, compressed too", async () => {
    const rows = Array.from({ length: 3000 }, (_, index) => ({ text: `${"字".repeat(200)}\\"${index}` }));
    const found = await elements(gzipSync(JSON.stringify(rows)), { name: "rows.json.gz" });
    expect(found.map((element) => JSON.parse(element.replace(/^\d+:/, "")) as unknown)).toEqual(rows);
  });

  it("leaves what is wrong inside an element to its row", async () => {
    expect(await elements("[{\"a\" 1}, 2]")).toEqual(["1:{\"a\" 1}", "1:2"]);
  });

  it.each([
    ["no array", "{\"a\": 1}", /:1 can't be read: an array begins with \[, and there is "\{"/],
    ["an end too early", "[1,\n2", /:2 can't be read: the array does not end/],
    ["a string without an end", "[\"a]", /does not end/],
    ["two arrays", "[1]\n[2]", /:2 can't be read: nothing follows the array's end/],
    ["a missing row", "[1,,2]", /a row is missing/],
    ["a comma at its end", "[1,]", /a row is missing/],
  ])("is refused with %s", async (_, content, message) => {
    await expect(elements(content)).rejects.toEqual(unreadable(message));
  });

  it("is refused where a row is longer than allowed, and never held whole", async () => {
    await expect(elements(`[1,\n"${"x".repeat(9000)}"]`, { limits: { lineBytes: 5000 } })).rejects.toEqual(unreadable(/the row at line 2 is longer than 5000 bytes/));
    await expect(elements(`[${"[".repeat(9000)}`, { limits: { lineBytes: 5000 } })).rejects.toEqual(unreadable(/the row at line 1/));
  });
});
