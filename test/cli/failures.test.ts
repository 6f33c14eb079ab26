import { mkdtemp, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { commands } from "../../cli/commands.js";
import { Store } from "../../store/store.js";
import { hhRow, pipeline } from "../planner/pipeline.js";
import { planOf, plannedStage } from "../store/home.js";
import { trueline } from "./trueline.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "trueline-failures-"));
  process.env["TRUELINE_HOME"] = join(folder, "home");
});
afterEach(async () => {
  delete process.env["TRUELINE_HOME"];
  await rm(folder, { recursive: true });
});

const errorOf = (stdout: string): unknown => (JSON.parse(stdout) as { error: unknown }).error;

describe("a failure with --json", () => {
  it("is one object on stdout, beside the words on stderr", async () => {
    const { code, stdout, stderr } = await trueline(["status", "nowhere", "--json"]);
    expect(code).toBe(3);
    expect(errorOf(stdout)).toEqual({
      code: "TL_STORE_MISSING", message: `There is no run "nowhere" in ${join(folder, "home")}.`, hint: "`trueline runs` lists the runs.", exit: 3,
    });
    expect(stderr).toContain("TL_STORE_MISSING");
  });

  it("is that for a wrong command line too", async () => {
    const { code, stdout } = await trueline(["server", "--port", "0", "--json"]);
    expect(code).toBe(2);
    expect(errorOf(stdout)).toMatchObject({ code: "TL_USAGE", exit: 2, message: "--port is \"0\"; it has to be a whole number from 1 to 65535.", hint: "See `trueline server --help`." });
    expect(errorOf((await trueline(["plan", "--json"])).stdout)).toMatchObject({ code: "TL_USAGE", message: "Missing required argument 'spec'." });
    expect(errorOf((await trueline(["--json"])).stdout)).toMatchObject({ code: "TL_USAGE" });
  });

  it.each([
    ["--seed", "99999999999999999999", "a whole number from 0 to 9007199254740991"], ["--max-tokens", "0", "a whole number, 1 or more"],
    ["--threads", "100000", "a whole number from 1 to 1024"], ["--top-p", "2", "a number above 0, at most 1"],
  ])("says of %s %s what would be right", async (option, value, words) => {
    const { code, stdout } = await trueline(["generate", "a/b", "hi", option, value, "--json"]);
    expect(code).toBe(2);
    expect(errorOf(stdout)).toMatchObject({ code: "TL_USAGE", message: `${option} is "${value}"; it has to be ${words}.` });
  });

  it("leaves stdout empty without it, and where --json is a word of the arguments", async () => {
    expect((await trueline(["status", "nowhere"])).stdout).toBe("");
    expect((await trueline(["status", "--", "--json"])).stdout).toBe("");
  });

  it.each(Object.keys(commands))("is told by %s --help", async (name) => {
    expect((await trueline([name, "--help"])).stdout.replaceAll(/\s+/g, " ")).toContain("of a failure {\"error\":");
  });
});

describe("a run that is not there", () => {
  const store = () => new Store(join(folder, "home"));

  it.each([["status"], ["watch"], ["resume"], ["cancel"], ["history"], ["report"], ["export", "base", "out"]])("is suggested by %s", async (command, ...more) => {
    await store().runs.create("quick-20260101-abcdef", planOf(plannedStage("base")), "someone");
    for (const [wrong, meant] of [["quick-20260101-abcdfe", true], ["quick", true], ["nothing-like-it-at-all", false], ["../../quick-20260101-abcdef", true]] as const) {
      const { code, stderr } = await trueline([command, wrong, ...more]);
      expect(code).toBe(3);
      expect(stderr.includes("Did you mean quick-20260101-abcdef?"), wrong).toBe(meant);
    }
  });
});

describe("a home that can't be one", () => {
  const spec = async (): Promise<string> => {
    await writeFile(join(folder, "hh.jsonl"), hhRow);
    await writeFile(join(folder, "book.txt"), "a book\n");
    await writeFile(join(folder, "spec.json"), JSON.stringify(pipeline()));
    return join(folder, "spec.json");
  };

  it.each([
    ["where the file system takes no names", async () => "/proc/none"],
    ["with a file where a folder belongs", async () => {
      await mkdir(join(folder, "home"));
      await writeFile(join(folder, "home", "logs"), "");
      return join(folder, "home");
    }],
    ["on a circle of links", async () => {
      await symlink(join(folder, "b"), join(folder, "a"));
      await symlink(join(folder, "a"), join(folder, "b"));
      return join(folder, "a");
    }],
  ])("%s is refused by run at once, with a code and the place", async (_, make) => {
    const home = process.env["TRUELINE_HOME"] = await make();
    const { code, stdout, stderr } = await trueline(["run", await spec()]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("TL_STORE_DENIED");
    expect(stderr).toContain(home);
  });

  it("is refused by commands that only read, if it is not merely absent", async () => {
    process.env["TRUELINE_HOME"] = "/proc/none";
    expect(await trueline(["runs"])).toMatchObject({ code: 0 });
    process.env["TRUELINE_HOME"] = join(folder, "home");
    await mkdir(join(folder, "home"));
    await writeFile(join(folder, "home", "runs"), "");
    expect(await trueline(["runs"])).toMatchObject({ code: 1, stderr: expect.stringContaining("TL_STORE_DENIED") });
  });
});
