import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createPlan } from "../../planner/plan.js";
import { Store } from "../../store/store.js";
import { failedRun } from "../planner/finished.js";
import { hhRow, pipeline } from "../planner/pipeline.js";
import { trueline } from "./trueline.js";

let folder: string;
let spec: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "trueline-cli-"));
  spec = join(folder, "spec.json");
  process.env["TRUELINE_HOME"] = join(folder, "home");
  await writeFile(join(folder, "hh.jsonl"), hhRow);
  await writeFile(join(folder, "book.txt"), "a book\n");
  await write();
});
afterEach(async () => {
  delete process.env["TRUELINE_HOME"];
  await rm(folder, { recursive: true });
});

const write = (change: Parameters<typeof pipeline>[0] = () => undefined) => writeFile(spec, JSON.stringify(pipeline(change), undefined, 2));
const misspell: Parameters<typeof pipeline>[0] = ({ stages }) => { stages["ppo"]!["tricks"] = { klPenality: {} }; };

describe("validate", () => {
  it("says that a sound spec is valid, exit 0", async () => {
    expect(await trueline(["validate", spec])).toEqual({ code: 0, stdout: `${spec} is valid: 7 stages.\n`, stderr: "" });
    expect(JSON.parse((await trueline(["validate", spec, "--json"])).stdout)).toMatchObject({ valid: true, stages: 7, warnings: [] });
  });

  it("shows every fault in the user's file on stderr, exit 5", async () => {
    await write(misspell);
    const { code, stdout, stderr } = await trueline(["validate", spec]);
    expect([code, stdout]).toEqual([5, ""]);
    expect(stderr).toMatch(/spec\.json:\d+:9 TL_SPEC_UNKNOWN_FIELD\n`klPenality` is no trick/);
    expect(stderr).toContain("        \"klPenality\": {}");
    expect(stderr).toContain("^^^^^^^^^^^^");
    expect(stderr).toContain("hint: `klPenality`: did you mean `klPenalty`?");
    expect(stderr).toMatch(/TL_SPEC_INVALID .*spec\.json has 1 fault\.\n$/);
  });

  it("gives faults as JSON on stdout with --json, exit 5", async () => {
    await write(misspell);
    const { code, stdout, stderr } = await trueline(["validate", spec, "--json"]);
    expect([code, stderr]).toEqual([5, ""]);
    expect(JSON.parse(stdout)).toMatchObject({ valid: false, faults: [{ code: "TL_SPEC_UNKNOWN_FIELD", field: "stages.ppo.tricks.klPenality", column: 9 }] });
  });

  it.each([["validate"], ["validate", "--json"], ["plan"], ["run"], ["run", "--json"], ["submit"], ["data"]])("tells no key that stands in the spec, and keeps nothing of it: %s", async (...words) => {
    await write(({ stages }) => { stages["ppo"]!["reward"] = { url: "https://me:hunter22@scores.example", secret: "hunter22" }; });
    const { code, stdout, stderr } = await trueline([...words, spec]);
    expect(code).toBe(5);
    expect(stdout + stderr).toContain("TL_SPEC_SECRET");
    expect(stdout + stderr).not.toContain("hunter22");
    await expect(readdir(join(folder, "home"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("counts a missing data file as a fault, exit 5, and a missing spec as not found, exit 3", async () => {
    await rm(join(folder, "book.txt"));
    expect(await trueline(["validate", spec])).toMatchObject({ code: 5, stderr: expect.stringContaining("TL_DATA_MISSING") });
    expect(await trueline(["validate", join(folder, "none.json")])).toMatchObject({ code: 3, stderr: expect.stringContaining("TL_SPEC_MISSING") });
  });

  it("lets absolute paths in by --allow-path alone", async () => {
    await write(({ data }) => { data["book"]!["path"] = join(folder, "book.txt"); });
    expect((await trueline(["validate", spec])).code).toBe(5);
    expect((await trueline(["validate", spec, "--allow-path", folder])).code).toBe(0);
  });
});

describe("plan", () => {
  it("prints each stage with action and reason, and the details of figure 5", async () => {
    const { code, stdout, stderr } = await trueline(["plan", spec]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^stage +kind +action +time +reason\nbpe +tokenizer +run +\? +never run before\n/);
    expect(stdout).toMatch(/ 5 +reward normalisation and clipping +on +clip 0\.8/);
    expect(stdout).toMatch(/ 8 +critic initialised from the reward model +on +from rm/);
    expect(stdout).toMatch(/ 3 +entropy bonus +off\n/);
    expect(stdout).toContain("are our choice");
  });

  it("puts warnings on stderr", async () => {
    await write(({ stages }) => { stages["ppo"]!["critic"] = "rm"; });
    const { stdout, stderr } = await trueline(["plan", spec]);
    expect(stderr).toContain("warning: ppo: preset ppo-max means the critic to be pretrained");
    expect(stdout).not.toContain("warning");
    expect(stdout).toMatch(/– +critic pretraining +off/);
  });

  it("gives one JSON document with --json, writes nothing, and is told what changed", async () => {
    const plan = await createPlan(spec);
    const store = new Store(join(folder, "home"));
    await store.runs.create("first", plan, "someone");
    await write(({ stages }) => { stages["sft"]!["epochs"] = 3; });
    const { stages, ppo } = JSON.parse((await trueline(["plan", spec, "--json"])).stdout) as { stages: { name: string; action: string; reason: string }[]; ppo: unknown[] };
    expect(stages.map(({ name }) => name)).toEqual(["bpe", "base", "sft", "rm", "critic", "ppo", "eval"]);
    expect(stages[2]).toMatchObject({ action: "run", reason: "epochs of sft changed from 2 to 3" });
    expect(stages[3]).toMatchObject({ action: "run", reason: "upstream `sft` will run" });
    expect(ppo).toHaveLength(1);
    expect(await store.runs.list()).toHaveLength(1);
  });

  it("says what the newest run of the pipeline would keep and lose, or the one asked for", async () => {
    const store = new Store(join(folder, "home"));
    await failedRun(store, "first", await createPlan(spec), ["bpe", "base", "sft"]);
    await write(({ stages }) => { stages["sft"]!["epochs"] = 3; });
    expect((await trueline(["plan", spec])).stdout).toContain("Against run first: epochs of sft changed from 2 to 3. Compute that is kept: 3 min; no longer used: 2 min");
    await failedRun(store, "second", await createPlan(spec), []);
    expect((await trueline(["plan", spec])).stdout, "the same spec: nothing to tell").not.toContain("Against");
    expect(JSON.parse((await trueline(["plan", spec, "--against", "first", "--json"])).stdout)).toMatchObject({ against: { run: "first", secondsKept: 200, secondsLost: 100 } });
    expect(await trueline(["plan", spec, "--against", "third"])).toMatchObject({ code: 3 });
  });

  it("ends with 5 for a spec with faults", async () => {
    await write(misspell);
    const { code, stdout, stderr } = await trueline(["plan", spec, "--json"]);
    expect(code).toBe(5);
    expect(stderr).toContain("did you mean");
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "TL_SPEC_INVALID", exit: 5, faults: [{ code: "TL_SPEC_UNKNOWN_FIELD" }] } });
  });
});
