import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { trueline } from "../cli/trueline.js";
import { hhRow, pipeline, planOf } from "../planner/pipeline.js";
import { attemptAt, Bench, Calls } from "./computing.js";

/** Keys of a plan's stages, by name. */
const keysOf = (change: Parameters<typeof pipeline>[0]) => new Map(planOf(pipeline(change)).stages.map(({ name, key }) => [name, key]));

/** Stages whose key a change of the spec changes. */
function changed(change: Parameters<typeof pipeline>[0]): string[] {
  const before = keysOf(() => undefined);
  return [...keysOf(change)].filter(([name, key]) => before.get(name) !== key).map(([name]) => name);
}

describe("a stage's reuse", () => {
  it("is its own: neither how a stage runs nor a change beside it makes another run again [kfp#8236]", () => {
    expect(changed(({ stages }) => {
      Object.assign(stages["sft"]!, { checkpoint: { everySteps: 3 }, resources: { cpus: 1 }, deadline: "1h", description: "words" });
    })).toEqual([]);
    expect(changed(({ stages }) => { stages["rm"]!["learningRate"] = 0.1; })).toEqual(["rm", "critic", "ppo", "eval"]);
    expect(changed(({ stages }) => { stages["eval"]!["tieMargin"] = 0.1; })).toEqual(["eval"]);
    expect(changed(({ stages }) => { stages["other"] = { ...stages["sft"]!, epochs: 9 }; })).toEqual(["other"]);
  });

  it("holds for a stage that needed a retry, and for an attempt whose answer was lost [argo#10426]", async () => {
    const bench = await Bench.forTest();
    const store = bench.emptyStore();
    const stage = await bench.ppo({ steps: 2 });
    await expect(attemptAt(store, stage, { kill: { after: 1, signal: "SIGKILL" } })).rejects.toMatchObject({ type: "TL_BACKEND_LOST" });
    await attemptAt(store, stage, { attempt: 2 });
    for (const [run, attempt] of [["r", 3], ["another", 1]] as const) {
      const calls = new Calls();
      expect(await attemptAt(store, stage, { run, attempt, calls })).toMatchObject({ reused: true });
      expect(calls.loads).toEqual([]);
    }
  });
});

describe("a spec", () => {
  let folder: string;
  const write = (text: string) => writeFile(join(folder, "spec.json"), text);
  const command = (...words: string[]) => trueline([...words.slice(0, 1), join(folder, "spec.json"), ...words.slice(1)]);
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "trueline-traps-"));
    process.env["TRUELINE_HOME"] = join(folder, "home");
    await writeFile(join(folder, "hh.jsonl"), hhRow);
    await writeFile(join(folder, "book.txt"), "a book\n");
  });
  afterEach(async () => {
    delete process.env["TRUELINE_HOME"];
    await rm(folder, { recursive: true });
  });

  it("with a fault is refused with file, line and column, and the line itself, for values as for syntax [argo#1204]", async () => {
    const text = JSON.stringify(pipeline(({ stages }) => { stages["sft"]!["epochs"] = "two"; }), undefined, 2);
    const line = text.slice(0, text.indexOf("\"two\"")).split("\n").length;
    await write(text);
    expect((await command("run")).stderr).toMatch(new RegExp(`spec\\.json:${line}:\\d+ TL_SPEC_`));
    expect((await command("run")).stderr).toContain("\"epochs\": \"two\"");
    await write("{\n  \"version\": 1,\n  oops\n}");
    expect((await command("run")).stderr).toMatch(/spec\.json:3:3 TL_SPEC_/);
  });

  it("with a misspelt key does not pass, wherever it stands, and gets the word that was meant [argo#3002]", async () => {
    const misspellings: readonly (readonly [Parameters<typeof pipeline>[0], string])[] = [
      [(spec) => { spec["sede"] = 3; }, "seed"],
      [({ data }) => { data["hh"]!["holdut"] = 0.1; }, "holdout"],
      [({ models }) => { models["tiny"]!["layerz"] = 3; }, "layers"],
      [({ stages }) => { stages["ppo"]!["rolouts"] = 3; }, "rollouts"],
      [({ stages }) => { stages["ppo"]!["tricks"] = { klPenality: {} }; }, "klPenalty"],
      [({ stages }) => { stages["ppo"]!["tricks"] = { klPenalty: { coeficient: 1 } }; }, "coefficient"],
    ];
    for (const [change, meant] of misspellings) {
      await write(JSON.stringify(pipeline(change), undefined, 2));
      const { code, stderr } = await command("run");
      expect([code, meant, stderr]).toEqual([5, meant, expect.stringContaining(`did you mean \`${meant}\``)]);
    }
    expect(await readdir(folder)).not.toContain("home");
  });

  it("that is validated or planned submits nothing, starts nothing and writes nothing [argo#12944]", async () => {
    await write(JSON.stringify(pipeline()));
    const before = await readdir(folder);
    for (const words of [["validate"], ["plan"], ["plan", "--json"]]) expect((await command(...words)).code).toBe(0);
    expect(await readdir(folder)).toEqual(before);
  });
});
