import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { goOn, recordAttempt } from "../../cli/attempt.js";
import { allResults, unquestionedResults } from "../../cli/submission.js";
import { createOutput } from "../../cli/output.js";
import { digestOf, sha256 } from "../../foundation/canonical.js";
import { createPlan } from "../../planner/plan.js";
import { planResumption } from "../../planner/resume.js";
import { observe } from "../../temporal/observe.js";
import { Store } from "../../store/store.js";
import { failedRun, finishStage, saveCheckpoint } from "../planner/finished.js";
import { hhRow, pipeline, stageOf } from "../planner/pipeline.js";
import { trueline } from "./trueline.js";

const all = ["bpe", "base", "sft", "rm", "critic", "ppo", "eval"];
let folder: string;
let store: Store;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "trueline-cli-resume-"));
  process.env["TRUELINE_HOME"] = join(folder, "home");
  store = new Store(join(folder, "home"));
  await writeFile(join(folder, "hh.jsonl"), hhRow);
  await writeFile(join(folder, "book.txt"), "a book\n");
  await failedRun(store, "first", await createPlan(await write("spec.json")), all);
});
afterEach(async () => {
  delete process.env["TRUELINE_HOME"];
  await rm(folder, { recursive: true });
});

async function write(name: string, change: Parameters<typeof pipeline>[0] = () => undefined): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, JSON.stringify(pipeline(change), undefined, 2));
  return path;
}
const longer: Parameters<typeof pipeline>[0] = ({ stages }) => { stages["ppo"]!["steps"] = 100; };

/** Every file of the home with its bytes. */
async function homeNow(): Promise<Record<string, string>> {
  const files = (await readdir(store.home, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  return Object.fromEntries(await Promise.all(files.map(async ({ parentPath, name }) => [join(parentPath, name), sha256(await readFile(join(parentPath, name)))] as const)));
}

async function tokenFor(...words: readonly string[]): Promise<string> {
  return (JSON.parse((await trueline(["resume", "first", ...words, "--preview", "--json"])).stdout) as { token: string }).token;
}

const changed = (words: string) => ({ code: 4, stdout: "", stderr: expect.stringMatching(new RegExp(`TL_RESUME_CHANGED.*${words}`, "s")) as string });

describe("resume --preview", () => {
  it("shows what an edit keeps and loses, the command that does it, and writes no file", async () => {
    const edited = await write("edited.json", longer);
    const before = await homeNow();
    const { code, stdout, stderr } = await trueline(["resume", "first", "--spec", edited, "--preview"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^stage +kind +kept +lost +to do +reason\nbpe +tokenizer +kept +2 min +finished in this run, /);
    expect(stdout).toMatch(/\nppo +ppo +runs anew +2 min +2 min +steps of ppo changed from 80 to 100\n/);
    expect(stdout).toContain("Compute that is kept: 8 min; no longer used: 3 min (it stays in the store: resuming with the former spec finds it).");
    expect(stdout).toContain("Changed: steps of ppo changed from 80 to 100.");
    expect(stdout).toMatch(new RegExp(`trueline resume first --spec ${edited} --token [\\w-]{40,}\n$`));
    await trueline(["resume", "first", "--from", "sft", "--until", "rm", "--preview", "--json"]);
    expect(await homeNow()).toEqual(before);
  });

  it("gives the same as JSON, stage by stage", async () => {
    const { stdout } = await trueline(["resume", "first", "--from", "ppo", "--until", "ppo", "--preview", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({
      id: "first", preview: true, setAside: ["ppo", "eval"], only: ["bpe", "base", "sft", "rm", "critic", "ppo"], secondsKept: 500, secondsLost: 200,
      stages: [{}, {}, {}, {}, { name: "critic", fate: "kept" }, { name: "ppo", fate: "anew", reason: "asked for by --from ppo" }, { name: "eval", fate: "waits" }],
      token: expect.stringMatching(/^[\w-]+$/) as string,
    });
  });
});

describe("resume --token", () => {
  it("is bound to the options", async () => {
    const token = await tokenFor("--from", "ppo");
    expect(await trueline(["resume", "first", "--from", "rm", "--token", token])).toMatchObject(changed("the options --spec, --from and --until"));
  });

  it("refuses when the ledger has grown", async () => {
    const token = await tokenFor("--from", "ppo");
    await store.ledger.append("first", { type: "pause-requested", actor: "a" });
    expect(await trueline(["resume", "first", "--from", "ppo", "--token", token])).toMatchObject(changed("the run's ledger"));
  });

  it("refuses when a data file has changed, and names it", async () => {
    const edited = await write("edited.json", ({ stages }) => { stages["base"]!["steps"] = 11; });
    const token = await tokenFor("--spec", edited);
    await writeFile(join(folder, "book.txt"), "another book\n");
    const { stderr, ...refused } = await trueline(["resume", "first", "--spec", edited, "--token", token]);
    expect({ ...refused, stderr }).toMatchObject(changed("book.txt, the data entry \"book\""));
    expect(stderr).not.toContain("the spec's text");
  });

  it("refuses when the spec was edited again, and when a result has gone", async () => {
    const edited = await write("edited.json", longer);
    const token = await tokenFor("--spec", edited);
    await rm(join(store.home, "results", `${stageOf(await store.runs.plan("first"), "critic").key}.json`));
    expect(await trueline(["resume", "first", "--spec", edited, "--token", token])).toMatchObject(changed("what becomes of stage critic"));
    await write("edited.json", ({ stages }) => { stages["ppo"]!["steps"] = 101; });
    expect(await trueline(["resume", "first", "--spec", edited, "--token", token])).toMatchObject(changed("the spec's text"));
  });

  it("takes nothing for a token that is none: exit 2", async () => {
    for (const token of ["x", "a".repeat(30), `${await tokenFor()}x`]) expect(await trueline(["resume", "first", "--token", token])).toMatchObject({ code: 2 });
  });
});

describe("resume refuses", () => {
  it("a spec of another pipeline, exit 4", async () => {
    const other = await write("other.json", (spec) => { spec["name"] = "another"; });
    expect(await trueline(["resume", "first", "--spec", other])).toMatchObject({ code: 4, stderr: expect.stringMatching(/TL_RESUME_PIPELINE .*"another".*"demo"/) });
  });

  it("a spec with faults, exit 5, and an unknown stage, exit 3, with what was meant", async () => {
    const wrong = await write("wrong.json", ({ stages }) => { stages["ppo"]!["stepps"] = 1; });
    expect(await trueline(["resume", "first", "--spec", wrong])).toMatchObject({ code: 5 });
    expect(await trueline(["resume", "first", "--from", "pop"])).toMatchObject({ code: 3, stderr: expect.stringMatching(/--from: .*pop[^]*did you mean `ppo`/) });
    expect(await trueline(["resume", "first", "--until", "evl"])).toMatchObject({ code: 3, stderr: expect.stringContaining("`eval`") });
  });

  it("to begin after where it should end, exit 2", async () => {
    expect(await trueline(["resume", "first", "--from", "ppo", "--until", "rm"])).toMatchObject({ code: 2, stderr: expect.stringContaining("--until rm does not need ppo") });
  });

  it("data that changed under the run, exit 4, before anything is written", async () => {
    await writeFile(join(folder, "book.txt"), "another book\n");
    const before = await homeNow();
    expect(await trueline(["resume", "first", "--from", "ppo"]))
      .toMatchObject({ code: 4, stderr: expect.stringMatching(/TL_STAGE_INPUT_CHANGED .*book\.txt, the data entry "book", has changed/) });
    expect(await homeNow()).toEqual(before);
    await rm(join(folder, "book.txt"));
    expect(await trueline(["resume", "first", "--from", "ppo"])).toMatchObject({ code: 4, stderr: expect.stringContaining("is no longer there") });
  });

  it("only what would read it: a file of stages that are kept may change", async () => {
    await writeFile(join(folder, "book.txt"), "another book\n");
    expect(await trueline(["resume", "first", "--from", "eval", "--preview"])).toMatchObject({ code: 0 });
  });
});

describe("resume carries out", () => {
  it("an edit whose every result is there already, with no server, and tells the ledger", async () => {
    const edited = await write("edited.json", longer);
    const plan = await createPlan(edited);
    for (const name of ["ppo", "eval"]) await finishStage(store, stageOf(plan, name), "other");
    const token = await tokenFor("--spec", edited);
    const { code, stdout, stderr } = await trueline(["resume", "first", "--spec", edited, "--token", token, "--reason", "more steps", "--json"]);
    expect([code, stderr]).toEqual([0, expect.stringContaining("nothing was run")]);
    expect(JSON.parse(stdout)).toMatchObject({ state: "finished", attempts: 2, stages: expect.arrayContaining([expect.objectContaining({ name: "ppo", state: "reused" })]) as unknown[] });
    expect(await store.runs.plan("first")).toEqual(plan);
    expect((await store.ledger.read("first")).map(({ event }) => event).find(({ type }) => type === "run-resumed")).toMatchObject({
      attempt: 2, found: "finished", reason: "more steps",
      plan: { planDigest: digestOf(plan), specPath: edited, specDigest: plan.specDigest, changes: ["steps of ppo changed from 80 to 100"] },
    });
    const history = (await trueline(["history", "first"])).stdout;
    expect(history).toContain("steps of ppo changed from 80 to 100, because: more steps");
  });

  it("an edit up to a stage, when its results are there, and then the rest", async () => {
    const edited = await write("edited.json", longer);
    for (const name of ["ppo", "eval"]) await finishStage(store, stageOf(await createPlan(edited), name), "other");
    expect(await trueline(["resume", "first", "--spec", edited, "--until", "sft"]), "it waits for somebody").toMatchObject({ code: 6 });
    expect((await store.ledger.read("first")).at(-1)!.event).toEqual({ type: "run-paused", until: "sft" });
    expect(await trueline(["resume", "first", "--until", "eval"])).toMatchObject({ code: 0 });
    expect((await store.ledger.read("first")).at(-1)!.event).toEqual({ type: "run-finished" });
  });

  it("no more than run --until was asked for, which it tells the ledger, and knows the stages of the spec", async () => {
    const path = await write("spec.json");
    const { code, stdout } = await trueline(["run", path, "--until", "sft", "--json"]);
    expect(code, "the run waits for somebody").toBe(6);
    const { id, state, stages } = JSON.parse(stdout) as { id: string; state: string; stages: { name: string; state: string }[] };
    expect([state, ...stages.map((stage) => `${stage.name} ${stage.state}`)].join(", "))
      .toBe("paused, bpe reused, base reused, sft reused, rm waiting, critic waiting, ppo waiting, eval waiting");
    const events = (await store.ledger.read(id)).map(({ event }) => event);
    expect(events[0]).toMatchObject({ type: "run-submitted", only: ["bpe", "base", "sft"] });
    expect(events.at(-1)).toEqual({ type: "run-paused", until: "sft" });
    expect((await trueline(["history", id])).stdout).toContain(", for bpe, base, sft alone");
    expect(await trueline(["resume", id])).toMatchObject({ code: 0, stdout: expect.stringContaining("finished, attempt 2") as string });
    expect(await trueline(["run", path, "--until", "eval"])).toMatchObject({ code: 0 });
    expect(await trueline(["run", path, "--until", "stf"])).toMatchObject({ code: 3, stderr: expect.stringMatching(/TL_RUN_STAGE_UNKNOWN.*did you mean `sft`/s) as string });
  });

  it.each(["stop", "ask", "note"])("results without a look at them only where no guard is breached: %s", async (then) => {
    const guarding = (above: number) => write("guarded.json", ({ stages }) => { stages["ppo"]!["guards"] = { kl: { metric: "objective/kl", above, over: 1, then } }; });
    const ppo = stageOf(await store.runs.plan("first"), "ppo");
    await store.setAside("first", [ppo], () => Promise.resolve());
    await finishStage(store, ppo, "first", 100, { "metrics.jsonl": "{\"step\":1,\"objective/kl\":5}\n" });
    const [breached, kept] = [await createPlan(await guarding(4)), await createPlan(await guarding(6))];
    expect(stageOf(breached, "ppo").key, "guards that change no bytes are no part of the key").toBe(ppo.key);
    expect(await unquestionedResults(store, kept)).toHaveLength(all.length);
    expect(await unquestionedResults(store, breached)).toBeUndefined();
    expect(await allResults(store, breached)).toHaveLength(all.length);
  });

  it("results as they are of a guard that rolls back, which has acted while they were made", async () => {
    const then = { rollBack: { change: { policyLearningRate: 1e-5 } } };
    const plan = await createPlan(await write("guarded.json", ({ stages }) => { stages["ppo"]!["guards"] = { kl: { metric: "objective/kl", above: 4, over: 1, then } }; }));
    await finishStage(store, stageOf(plan, "ppo"), "first", 100, { "metrics.jsonl": "{\"step\":1,\"objective/kl\":5}\n" });
    await finishStage(store, stageOf(plan, "eval"), "first");
    expect(await unquestionedResults(store, plan)).toHaveLength(all.length);
  });

  it("nothing for a finished run that is asked for nothing", async () => {
    const before = await homeNow();
    expect(await trueline(["resume", "first"])).toMatchObject({ code: 0, stderr: expect.stringContaining("nothing to go on with") });
    expect(await homeNow()).toEqual(before);
  });

});

const nowhere = { write: () => undefined };
const output = createOutput(nowhere, nowhere, {});
const observed = async () => observe(store, await store.runs.read("first"), undefined);

describe("of two who go on with a run at once", () => {
  const attempts = async () => (await store.ledger.read("first")).filter(({ event }) => event.type === "run-resumed");

  it("by resume, with the same edit, one alone does", async () => {
    const edited = await createPlan(await write("edited.json", longer));
    for (const name of ["ppo", "eval"]) await finishStage(store, stageOf(edited, name), "other");
    const run = await observed();
    const change = await planResumption(store, "first", { plan: edited });
    const both = await Promise.allSettled([0, 1].map(() => goOn(store, run, output, { change, json: true })));
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(both).toContainEqual(expect.objectContaining({ reason: expect.objectContaining({ code: "TL_RESUME_CHANGED" }) as unknown }));
    expect(await attempts()).toHaveLength(1);
  });

  it("by unpause or retry, too; the other leaves the ledger as it is", async () => {
    const { stages } = await store.runs.plan("first");
    for (const stage of stages) await finishStage(store, stage, "first");
    await store.ledger.append("first", { type: "run-paused" });
    const run = await observed();
    const unpause = { json: true, orders: [{ type: "unpause-requested", actor: "a" }] } as const;
    const paused = (await store.ledger.read("first")).length;
    expect(await goOn(store, run, output, unpause)).toBe(0);
    const before = await store.ledger.read("first");
    expect(before.slice(paused, paused + 2).map(({ event }) => event.type)).toEqual(["unpause-requested", "run-resumed"]);
    await expect(goOn(store, run, output, unpause)).rejects.toMatchObject({ code: "TL_RESUME_CHANGED" });
    expect(await store.ledger.read("first")).toEqual(before);
  });
});

describe("results alone end no attempt", () => {
  const rmAside = async () => {
    const { name, key } = stageOf(await store.runs.plan("first"), "rm");
    await store.ledger.append("first", { type: "stage-set-aside", stage: name, key, actor: "a" });
  };
  it.each([
    ["while a stage is set aside that has not been begun since", rmAside, {}],
    ["that is for some stages and bound to no end", () => Promise.resolve(), { only: ["bpe"] }],
    ["of a run whose ledger has no end", () => store.ledger.append("first", { type: "run-resumed", attempt: 1, actor: "a", found: "failed", versions: {} }), {}],
  ])("%s", async (_, given, limits) => {
    await given();
    const before = await store.ledger.read("first");
    // The way to a server ends here at once.
    await writeFile(join(folder, "temporal.toml"), "no toml");
    vi.stubEnv("TEMPORAL_CONFIG_FILE", join(folder, "temporal.toml"));
    onTestFinished(() => { vi.unstubAllEnvs(); });
    await expect(goOn(store, await observed(), output, { ...limits, json: true })).rejects.toMatchObject({ code: "TL_TEMPORAL_CONFIG" });
    expect(await store.ledger.read("first"), "nothing is written before the server is there").toEqual(before);
  });
});

describe("setting a stage aside", () => {
  it("leaves its artifact to the runs that name it, and no result, so that the stage is computed anew", async () => {
    const sft = stageOf(await store.runs.plan("first"), "sft");
    const { artifact } = (await store.results.find(sft.key))!;
    await saveCheckpoint(store, sft, "first", 7);
    await store.setAside("first", [sft], async (found) => {
      expect(found).toEqual([{ stage: "sft", key: sft.key, artifact, checkpoint: 7 }]);
      expect([await store.results.find(sft.key), await store.checkpoints.newest(sft.key)]).not.toContain(undefined);
    });
    expect([await store.results.find(sft.key), await store.checkpoints.newest(sft.key)]).toEqual([undefined, undefined]);
    await store.setAside("first", [sft], (found) => { expect(found, "nothing is left to tell of").toEqual([]); return Promise.resolve(); });
    expect(await store.artifacts.fault(artifact, { deep: true })).toBeUndefined();
    expect(await readdir(join(store.home, "aside"))).toHaveLength(1);
    expect(await trueline(["export", "first", "sft", join(folder, "out")])).toMatchObject({ code: 0 });
  });

  it("is told with its reason before the attempt that computes it anew", async () => {
    const { key } = stageOf(await store.runs.plan("first"), "rm");
    const { artifact } = (await store.results.find(key))!;
    const before = (await store.ledger.read("first")).length;
    await recordAttempt(store, await observed(), [{ name: "rm", key }], { json: true, reason: "once more" });
    expect(await store.results.find(key)).toBeUndefined();
    expect((await store.ledger.read("first")).slice(before).map(({ event }) => event)).toMatchObject([
      { type: "stage-set-aside", stage: "rm", key, artifact, reason: "once more" }, { type: "run-resumed", attempt: 2, reason: "once more" },
    ]);
  });

  it("waits for nobody: a stage that another run computes is refused", async () => {
    const plan = await store.runs.plan("first");
    const { stages } = plan;
    await store.claims.take(stageOf(plan, "sft").key, { run: "second", stage: "sft", attempt: 1 });
    const announced = vi.fn();
    await expect(store.setAside("first", stages, announced)).rejects.toMatchObject({ code: "TL_RUN_ALIVE", message: expect.stringContaining("run second") as string });
    expect(announced).not.toHaveBeenCalled();
    expect(await Promise.all(stages.map(({ key }) => store.results.find(key)))).not.toContain(undefined);
    expect(await store.claims.holder(stages[0]!.key)).toBeUndefined();
  });

  it("that a kill cuts short after the ledger's line is finished by the next attempt, which says so", async () => {
    const rm = stageOf(await store.runs.plan("first"), "rm");
    const { artifact } = (await store.results.find(rm.key))!;
    await store.ledger.append("first", { type: "stage-set-aside", stage: "rm", key: rm.key, artifact, actor: "a" });
    expect(await trueline(["verify", "first"])).toMatchObject({ code: 0 });
    const { stdout } = await trueline(["resume", "first", "--preview"]);
    expect(stdout).toMatch(/\nrm +reward-model +runs anew .* it was set aside and has not been begun since\n/);
    const resumption = await planResumption(store, "first", {});
    expect(resumption.setAside.map(({ name }) => name)).toEqual(["rm"]);
    await store.setAside("first", resumption.setAside, () => Promise.resolve());
    expect(await store.results.find(rm.key)).toBeUndefined();
    await store.ledger.append("first", { type: "run-resumed", attempt: 2, actor: "a", found: "failed", versions: {} });
    expect((await planResumption(store, "first", {})).setAside).toEqual([]);
  });
});
