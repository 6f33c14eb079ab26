import { describe, expect, it } from "vitest";
import { diagnosticText, codeFrame } from "../../planner/fault.js";
import { interpretSpec } from "../../planner/read-spec.js";
import { parseSource } from "../../planner/source.js";
import { faultsOf, pipeline } from "./pipeline.js";

describe("a spec's text", () => {
  it("is placed by line, column and a caret under the words at fault", () => {
    const text = "{\n  \"version\": 1,\n  \"nmae\": \"x\"\n}";
    const fault = faultsOf(text).find(({ field }) => field === "nmae")!;
    expect(diagnosticText(fault)).toBe([
      "spec.json:3:3 TL_SPEC_UNKNOWN_FIELD",
      "`nmae` is no field of the spec",
      "  2 |   \"version\": 1,",
      "> 3 |   \"nmae\": \"x\"",
      "    |   ^^^^^^",
      "  4 | }",
      "hint: `nmae`: did you mean `name`?",
    ].join("\n"));
  });

  it("keeps carets under wide characters, tabs and the far end of long lines", () => {
    const under = (text: string, word: string): string => {
      const lines = codeFrame(text, { offset: text.indexOf(word), length: word.length }).split("\n");
      const column = lines[1]!.indexOf("^");
      return lines[0]!.slice(column, column + word.length);
    };
    expect(under(`{\t"a":\t"x", "wrong": 1}`, "\"wrong\"")).toBe("\"wrong\"");
    expect(under(`{${"\"key\": 1, ".repeat(40)}"wrong": 1}`, "\"wrong\"")).toBe("\"wrong\"");
    expect(codeFrame("{\"灯\": wrong}", { offset: 6, length: 5 }).split("\n")[1]).toBe(`    | ${" ".repeat(7)}^^^^^`);
  });

  it("may start with a byte order mark and end lines with carriage returns", () => {
    const text = `\ufeff${JSON.stringify(pipeline(), undefined, 2).replaceAll("\n", "\r\n")}`;
    expect(faultsOf(text)).toEqual([]);
    expect(faultsOf(text.replace("\"steps\"", "\"stepps\"")).every(({ frame }) => !frame.includes("\r"))).toBe(true);
  });

  it.each([
    ["", "the file is empty"],
    [" \n", "the file is empty"],
    ["{", "closing `}`"],
    ["{\"a\": 1,}", "a key in double quotes"],
    ["{'a': 1}", "no JSON value"],
    ["{\"a\": 1 \"b\": 2}", "comma is missing"],
    ["{\"a\": 1} 2", "ended before"],
    ["// hello\n{}", "no comments"],
    ["{\"a\": \"open", "no closing quote"],
    ["{\"a\": \"\\q\"}", "escape"],
    ["{\"a\": 01}", "comma is missing"],
  ])("that is not JSON is refused: %j", (text, words) => {
    const faults = faultsOf(text);
    expect(faults.every(({ code }) => code === "TL_SPEC_SYNTAX")).toBe(true);
    expect(faults.map(({ message }) => message).join("; ")).toContain(words);
  });

  it.each([
    ["{\"a\": NaN}", "JSON has no such number"], ["{\"a\": True}", "JSON writes `true`"], ["{\"a\": None}", "leave the member out"], ["{\"a\": .5}", "numbers are written as 0.15, 15 or 1e-3"],
    ["{'a': 1}", "JSON has double quotes alone"], ["{a: 1}", "keys stand in double quotes"], ["{\"a\": max}", "text stands in double quotes"], ["version: 1\n", "a spec is one JSON object: {\"version\": 1, …}"],
    ["{\"a\": 1,\n}", "remove the comma before it"], ["{\"a\": [1, ]}", "remove the comma before it"],
  ])("that is another notation is told how JSON writes it, once a line: %j", (text, hint) => {
    expect(faultsOf(text).map((fault) => fault.hint)).toEqual([hint]);
  });

  it("has a fault a line where several are wrong", () => {
    expect(faultsOf("{\n\"a\": True,\n\"b\": 1,\n\"c\": None\n}").map(({ line }) => line)).toEqual([2, 4]);
  });

  it("is refused for a key given twice, at the second, and is read by the first", () => {
    const text = JSON.stringify(pipeline()).replace("\"seed\":7", "\"seed\":7,\"seed\":\"x\"");
    const faults = faultsOf(text);
    expect(faults.map(({ code, message }) => [code, message])).toEqual([["TL_SPEC_DUPLICATE_KEY", "`seed` is given twice; only one would count"]]);
    expect(faults[0]!.column).toBe(text.lastIndexOf("\"seed\"") + 1);
  });

  it("can't reach a prototype by a key named __proto__", () => {
    const text = JSON.stringify(pipeline()).replace("\"seed\":7", "\"__proto__\":{\"seed\":9,\"polluted\":1}");
    const { source, faults } = interpretSpec("spec.json", text);
    expect(Object.keys(source.value as object)).toContain("__proto__");
    expect((source.value as { polluted?: number }).polluted).toBeUndefined();
    expect(Object.prototype).not.toHaveProperty("polluted");
    expect(faults.map(({ message }) => message)).toEqual(["`__proto__` is no field of the spec"]);
  });

  it("that is nested beyond the stack is a fault", () => {
    expect(parseSource("spec.json", "[".repeat(200_000) + "]".repeat(200_000)).faults.map(({ message }) => message)).toEqual(["the document is nested too deeply"]);
  });
});
