import { Command } from "commander";
import pc from "picocolors";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { commands } from "../../cli/commands.js";
import { defineCommand } from "../../cli/command.js";
import { describeFailure } from "../../cli/failure.js";
import { wholeNumber } from "../../cli/numbers.js";
import { createOutput, duration, table } from "../../cli/output.js";
import { trueline } from "./trueline.js";

const color = /\u001b\[/;

describe("the command line", () => {
  it("prints its version and its help on stdout", async () => {
    expect(await trueline(["--version"])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: "" });
    const help = await trueline(["--help"]);
    expect(help.code).toBe(0);
    for (const name of Object.keys(commands)) expect(help.stdout).toContain(`  ${name} `);
  });

  it.each(Object.keys(commands))("%s --help shows an example", async (name) => {
    const { code, stdout, stderr } = await trueline([name, "--help"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(new RegExp(`Examples:\n  \\$ trueline ${name}`));
  });

  it.each([
    [[], "Usage"], [["frobnicate"], "TL_USAGE Unknown command 'frobnicate'.\nhint: See `trueline --help`."], [["plam", "x.json"], "(did you mean plan?)"], [["plan"], "Missing required argument"], [["plan", "a", "b"], "Too many arguments"],
    [["plan", "a", "--frob"], "Unknown option '--frob'.\nhint: See `trueline plan --help`."], [["generate", "a", "b", "--max-tokens", "many"], "--max-tokens"], [["generate", "a", "b", "--temperature", "-1"], "--temperature"],
    [["constructor"], "Unknown command"], [["server", "--port", "99999"], "TL_USAGE --port is \"99999\"; it has to be a whole number from 1 to 65535.\nhint: See `trueline server --help`."],
    [["worker", "--cpus", ""], "--cpus is \"\"; it has to be a whole number from 1 to 10000"], [["generate", "a", "b", "--top-p", "1.5"], "--top-p is \"1.5\"; it has to be a number above 0, at most 1"],
    [["generate", "a", "b", "--top-k", "0x10"], "--top-k is \"0x10\"; it has to be a whole number, 0 or more"], [["generate", "a", "b", "--temperature", "1e999"], "--temperature is \"1e999\"; it has to be a number, 0 or more"],
    [["run", "a", "--slots", "0"], "--slots is \"0\"; it has to be a whole number from 1 to 10000"], [["run", "a", "--slots"], "Option '--slots <number>' argument missing."], [["worker", "--gpus", "x"], "--gpus is \"x\"; it has to be a whole number from 0 to 10000"],
    [["worker", "--gpu-memory", "lots"], "--gpu-memory is \"lots\"; it has to be a number with MB or GB"], [["worker", "--only", "x"], "--only is \"x\"; it has to be cpu or gpu."],
    [["export-pairs", "a", "b", "c", "--most", "0"], "--most is \"0\"; it has to be a whole number, 1 or more"], [["compare", "a", "b", "--stage", "x=y", "z="], "--stage is \"z=\"; it has to be a stage, or a pair such as ppo=ppo-long"],
    [["votes", "a", "b", "--html", ""], "--html is \"\"; it has to be a text that is not empty"],
  ])("%j is a usage error on stderr, exit 2", async (words, said) => {
    const { code, stdout, stderr } = await trueline(words);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(said);
  });
});

describe("output", () => {
  it("has colours on a terminal, unless NO_COLOR is set", async () => {
    const words = ["validate", "no-such-file.json"];
    expect((await trueline(words, { terminal: true })).stderr).toMatch(color);
    expect((await trueline(words, { terminal: true, environment: { NO_COLOR: "1" } })).stderr).not.toMatch(color);
    expect((await trueline(words, { terminal: true, environment: { TERM: "dumb" } })).stderr).not.toMatch(color);
    expect((await trueline(words)).stderr).not.toMatch(color);
    expect((await trueline(words, { environment: { FORCE_COLOR: "1" } })).stderr).toMatch(color);
  });

  it("aligns columns also where characters are two cells wide or coloured", () => {
    const { red } = pc.createColors(true);
    const lines = table(["name", "n"], [["灯", "1"], [red("abc"), "10"]], [1]).split("\n");
    expect(lines).toEqual(["name   n", "灯     1", `${red("abc")}   10`]);
  });

  it("says durations as people do", () => {
    expect([0.2, 4.4, 99, 100, 5999, 6000, 90_000].map(duration)).toEqual(["< 1 s", "4 s", "99 s", "2 min", "1 h 40 min", "1 h 40 min", "25 h 00 min"]);
  });
});

describe("a failure", () => {
  const colors = pc.createColors(false);

  it("that nobody expected has a code, no stack, and exit 1", () => {
    const { text, exit } = describeFailure(new TypeError("x is not a function"), colors, false);
    expect(exit).toBe(1);
    expect(text).toContain("TL_INTERNAL x is not a function");
    expect(text).toContain("TRUELINE_DEBUG=1");
    expect(text).not.toContain("    at ");
  });

  it("shows its stack and its causes under TRUELINE_DEBUG=1", () => {
    const { text } = describeFailure(new Error("outer", { cause: new Error("inner") }), colors, true);
    expect(text).toMatch(/Error: outer\n {4}at /);
    expect(text).toMatch(/caused by:\nError: inner\n {4}at /);
  });
});

describe("a command's options", () => {
  const probe = async (...words: string[]): Promise<unknown> => {
    const seen: unknown[] = [];
    const output = createOutput({ write: () => undefined }, { write: () => undefined }, {});
    const program = new Command().exitOverride();
    defineCommand({
      name: "probe", arguments: "<first> [second]", summary: "probes", examples: ["trueline probe x"],
      options: {
        count: { flags: "--count <number>", summary: "how many", schema: wholeNumber(1).default(3) },
        many: { flags: "--many <text...>", summary: "several", schema: z.array(z.string()).default([]) },
      },
      run: async (invocation) => { seen.push({ ...invocation.options, arguments: invocation.arguments }); return 7; },
    }).register(program, output, (code) => { seen.push(code); });
    await program.parseAsync(["probe", ...words], { from: "user" });
    return seen;
  };

  it("come converted, with defaults where they are left out", async () => {
    expect(await probe("a")).toEqual([{ count: 3, many: [], arguments: ["a", undefined] }, 7]);
    expect(await probe("a", "b", "--count", "5", "--many", "x", "y")).toEqual([{ count: 5, many: ["x", "y"], arguments: ["a", "b"] }, 7]);
  });

  it("are refused by their flag", async () => {
    await expect(probe("a", "--count", "1.5")).rejects.toThrow("--count is \"1.5\"; it has to be a whole number, 1 or more.");
  });
});
