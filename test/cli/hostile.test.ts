import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { actor } from "../../cli/actor.js";
import { Store } from "../../store/store.js";
import { planOf, plannedStage } from "../store/home.js";
import { trueline } from "./trueline.js";

const run = "quick-20260101-abcdef";
let folder: string;
let store: Store;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "trueline-hostile-cli-"));
  vi.stubEnv("TRUELINE_HOME", join(folder, "home"));
  store = new Store(join(folder, "home"));
  await store.runs.create(run, planOf(plannedStage("base")), "someone");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

describe("names that climb out of the home", () => {
  const climbing = ["../x", "../../etc/passwd", "/etc/passwd", `../runs/${run}`, `${run}/../${run}`, "..", ".", "a\u0000b", "__proto__", "constructor", "a\nb", "%2e%2e%2fx"];
  const commands = [["status"], ["watch"], ["resume"], ["cancel"], ["history"], ["report"], ["verify"], ["trace"], ["pin"], ["export", "base", "OUT"], ["generate", "hello"]];

  it.each(commands)("are no runs to %s", async (command, ...more) => {
    const words = more.map((word) => (word === "OUT" ? join(folder, "out") : word));
    for (const name of climbing) {
      const { code, stderr } = await trueline([command, command === "generate" ? `${name.replaceAll("/", "_")}/base` : name, ...words]);
      expect([2, 3], `${name}: ${stderr}`).toContain(code);
      expect(stderr).not.toContain("TL_INTERNAL");
    }
    expect(await readdir(folder)).toEqual(["home"]);
  });

  it("are no stages to export and generate", async () => {
    for (const stage of ["../base", "__proto__", "constructor", "toString", ".."]) {
      expect(await trueline(["export", run, stage, join(folder, "out")])).toMatchObject({ code: 3, stderr: expect.stringContaining("TL_RUN_STAGE_UNKNOWN") });
      expect((await trueline(["generate", `${run}/${stage}`, "hello"])).code).toBe(3);
    }
  });
});

describe("control characters", () => {
  const bomb = "\u001b]0;owned\u0007\u001b[2J\r";

  it("in what is named are shown on stderr, whether or not it is a terminal", async () => {
    for (const terminal of [true, false]) {
      const { stderr } = await trueline(["status", bomb], { terminal });
      expect(stderr).toContain("\\u001b]0;owned\\u0007\\u001b[2J\\u000d");
      expect(stderr).not.toContain("\u001b]");
    }
  });

  it("in records are shown on a terminal, and written as they are into a pipe", async () => {
    await store.ledger.append(run, { type: "pause-requested", actor: "someone@here", reason: `look: ${bomb}` });
    expect((await trueline(["history", run], { terminal: true })).stdout).toContain("because: look: \\u001b]0;owned\\u0007");
    expect((await trueline(["history", run])).stdout).toContain(bomb);
    const json = (await trueline(["history", run, "--json"], { terminal: true })).stdout;
    expect(JSON.parse(json)).toMatchObject([{ event: { reason: `look: ${bomb}` } }]);
  });

  it("make no name for the ledger", () => {
    for (const name of ["a\nb", "a\u001b[31m", "\u202eevil", "x".repeat(201)]) {
      vi.stubEnv("TRUELINE_ACTOR", name);
      expect(actor, name).toThrow(expect.objectContaining({ code: "TL_USAGE" }));
    }
    vi.stubEnv("TRUELINE_ACTOR", "Zoë 灯");
    expect(actor()).toMatch(/^Zoë 灯@/);
    vi.stubEnv("TRUELINE_ACTOR", "");
    expect(actor()).toMatch(/^[^@]+@/);
  });
});

it("a reason with line breaks forges no entry: neither in the ledger nor in its story", async () => {
  const forged = "because\n2026-01-01 00:00:00  the run finished\n{\"event\":{\"type\":\"run-finished\"}}";
  await store.ledger.append(run, { type: "pause-requested", actor: "someone@here", reason: forged });
  expect(await store.ledger.verify(run)).toEqual([]);
  expect(await store.ledger.read(run)).toHaveLength(1);
  const { stdout } = await trueline(["history", run]);
  expect(stdout.split("\n").filter((line) => /^\d{4}-/.test(line))).toHaveLength(1);
});

describe("a spec file that is none", () => {
  it.each([["/dev/zero", "more than 16 MiB"], ["/proc/self/mem", "TL_SPEC_UNREADABLE"], ["/", "it is a directory"]])("%s is refused", async (path, why) => {
    expect(await trueline(["validate", path])).toMatchObject({ code: 5, stdout: "", stderr: expect.stringContaining(why) });
  });

  it("of brackets or numbers without end has its place named", async () => {
    const path = join(folder, "spec.json");
    const cases = { deep: "[".repeat(100_000), closed: `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, number: "{\"version\":1,\"name\":\"a\",\"seed\":1e999,\"stages\":{}}", objects: "{\"a\":".repeat(100_000) };
    for (const [name, text] of Object.entries(cases)) {
      await writeFile(path, text);
      const { code, stderr } = await trueline(["validate", path]);
      expect([code, name]).toEqual([5, name]);
      expect(stderr).toMatch(/spec\.json:1:\d+ TL_SPEC_/);
    }
  });
});
