import { mkdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sha256 } from "../../foundation/canonical.js";
import type { Store } from "../../store/store.js";
import { emptyStore, plannedStage } from "../store/home.js";
import { checkpointed, computed, ended, reused, soundPlan, started, submitted } from "../store/life.js";
import { trueline } from "./trueline.js";

const base = plannedStage("base");
let store: Store;
let artifact: string;

beforeEach(async () => {
  store = emptyStore();
  vi.stubEnv("TRUELINE_HOME", store.home);
  await submitted(store, "one", soundPlan("p", base));
  artifact = await computed(store, "one", base, { "model.bin": "weights" });
  await ended(store, "one", "run-finished");
});
afterEach(() => vi.unstubAllEnvs());

describe("a run that is damaged", () => {
  const spoil = async (path: string) => writeFile(path, (await readFile(path, "utf8")).replace(/./, "x"));

  it.each([
    ["its ledger", () => store.ledger.path("two")], ["its record", () => store.runs.recordPath("two")],
    ["its plan", async () => store.runs.planPath("two", (await store.runs.read("two")).planDigest)],
  ] as const)("hides no other: %s", async (_, pathOf) => {
    await submitted(store, "two", soundPlan("p", base));
    await submitted(store, "three", soundPlan("p", base));
    const path = await pathOf();
    await spoil(path);
    const { code, stdout, stderr } = await trueline(["runs"]);
    expect(code).toBe(0);
    expect(stdout.trim().split("\n").slice(1).map((line) => line.split(/ {2,}/).slice(0, 2)).sort()).toEqual([["one", "finished"], ["three", "interrupted"], ["two", "damaged"]]);
    expect(stderr).toMatch(new RegExp(`^damaged: ${path}.*trueline verify two`));
    expect(JSON.parse((await trueline(["runs", "--json"])).stdout)).toContainEqual(expect.objectContaining({ id: "two", state: "damaged", damage: expect.stringContaining(path) as string }));
    for (const words of [["status", "two"], ["verify", "two"]]) expect(await trueline(words), words[0]).toMatchObject({ code: 1, stderr: expect.stringContaining("TL_STORE_CORRUPT") as string });
    expect((await trueline(["status", "two"])).stderr).toContain("hint: `trueline verify two`");
  });

  it("is not told of as if it were whole: newest lines missing, or all of them", async () => {
    await writeFile(store.ledger.path("one"), (await readFile(store.ledger.path("one"), "utf8")).split("\n").slice(0, 1).join("") + "\n");
    for (const words of [["history", "one"], ["status", "one"], ["resume", "one"]]) {
      expect(await trueline(words), words[0]).toMatchObject({ code: 1, stderr: expect.stringMatching(/TL_STORE_CORRUPT .*lines are missing from the end/) as string });
    }
    expect((await trueline(["runs"])).stdout).toMatch(/^one +damaged/m);
    expect(await trueline(["verify", "one"])).toMatchObject({ code: 1 });
    for (const path of [store.ledger.path("one"), store.ledger.headPath("one")]) await rm(path);
    expect(await trueline(["history", "one"])).toMatchObject({ code: 1, stderr: expect.stringContaining("nothing tells what happened in run one") as string });
  });

  it("is named by gc, every one, and nothing goes", async () => {
    for (const run of ["two", "three"]) {
      await submitted(store, run, soundPlan("p", base));
      await spoil(store.ledger.path(run));
    }
    const { code, stderr } = await trueline(["gc"]);
    expect(code).toBe(1);
    for (const run of ["two", "three"]) expect(stderr).toContain(`What run ${run} needs is not known: ${store.ledger.path(run)}:1`);
    expect(stderr).toContain("Nothing was removed. `trueline verify`");
  });
});

it("status says which artifacts of a run are no longer whole, and how they are made again", async () => {
  expect((await trueline(["status", "one"])).stdout).not.toContain("damaged");
  await writeFile(join(store.artifacts.directory(artifact), "model.bin"), "cut");
  expect((await trueline(["status", "one"])).stdout).toMatch(/damaged: the artifact of base: .*model\.bin has 3 bytes, not 7\. Make it again with: trueline resume one/);
  await rm(store.artifacts.directory(artifact), { recursive: true });
  expect(JSON.parse((await trueline(["status", "one", "--json"])).stdout)).toMatchObject({ damaged: [{ stage: "base" }] });
});

describe("verify", () => {
  it("says that all is as written, with each ledger's newest hash", async () => {
    const { code, stdout } = await trueline(["verify"]);
    expect(code).toBe(0);
    const { hash } = (await store.ledger.read("one")).at(-1)!;
    expect(stdout).toBe(`one  4 lines  head ${hash}\nEverything is as it was written: 1 run, 1 artifact.\n`);
    expect(await trueline(["verify", "one", "--head", hash])).toMatchObject({ code: 0 });
  });

  it("names each damaged file with what was expected, exit 1", async () => {
    const path = join(store.artifacts.directory(artifact), "model.bin");
    await writeFile(path, "Weights");
    const { code, stdout, stderr } = await trueline(["verify", "one"]);
    expect(code).toBe(1);
    expect(stderr).toContain("TL_STORE_CORRUPT");
    expect(stdout).toMatch(new RegExp(`^${path}: has SHA-256 [0-9a-f]{64}; expected 7 bytes with SHA-256 [0-9a-f]{64}, of one/base\n`));
    const { code: again, stdout: json } = await trueline(["verify", "--json"]);
    expect([again, JSON.parse(json)]).toMatchObject([1, { whole: false, faults: [{ file: path }], runs: [{ run: "one" }] }]);
  });

  it("tells apart a data file that changed outside: it damages no run", async () => {
    const path = join(store.home, "data.txt");
    await writeFile(path, "one");
    const entry = { name: "d", format: "text" as const, path, digest: sha256("one"), holdout: 0, maxBadShare: 0 };
    await submitted(store, "two", soundPlan("p", { ...base, inputs: { data: { from: "data", use: "text", entries: [entry] } } }));
    expect((await trueline(["verify", "two"])).stderr).toBe("");
    await writeFile(path, "two");
    const changed = await trueline(["verify", "two", "--json"]);
    expect(changed).toMatchObject({ code: 0, stderr: expect.stringContaining(`${path} has changed`) as string });
    expect(JSON.parse(changed.stdout)).toMatchObject({ whole: true, outside: [{ file: path, expected: `SHA-256 ${sha256("one")}` }] });
  });

  it("refuses a hash without its run, and a run that is not there", async () => {
    expect(await trueline(["verify", "--head", "0".repeat(64)])).toMatchObject({ code: 2 });
    expect(await trueline(["verify", "one", "--head", "abc"])).toMatchObject({ code: 2 });
    expect(await trueline(["verify", "none"])).toMatchObject({ code: 3, stderr: expect.stringContaining("TL_STORE_MISSING") as string });
    const noted = await trueline(["verify", "one", "--head", "0".repeat(64)]);
    expect(noted).toMatchObject({ code: 1, stdout: expect.stringContaining("has no line with the hash that was noted") as string });
  });
});

describe("gc and pins", () => {
  const old = async (): Promise<void> => {
    const past = new Date(Date.now() - 2 * 3600_000);
    await utimes(store.artifacts.directory(artifact), past, past);
  };

  it("says what would go and why the rest stays; with --delete removes it, and all commands know", async () => {
    await old();
    const dry = await trueline(["gc", "--keep", "0", "--older-than", "0s"]);
    expect(dry.stdout).toContain(`artifact ${artifact.slice(0, 12)} of one/base`);
    expect(dry.stdout).toMatch(/1 piece, \d+ kB would go\. Remove it with: trueline gc --keep 0 --older-than 0s --delete\n$/);
    expect((await trueline(["gc"])).stdout).toMatch(/one is among the 5 newest of p\nNothing to remove\.\n$/);
    const gone = await trueline(["gc", "--keep", "0", "--older-than", "0s", "--delete", "--json"]);
    expect(JSON.parse(gone.stdout)).toMatchObject({ deleted: true, removals: [{ what: "artifact", digest: artifact, stages: ["one/base"] }] });
    const today = new Date().toISOString().slice(0, 10);
    expect((await trueline(["status", "one"])).stdout).toMatch(new RegExp(`finished; artifact removed by .* on ${today} \\(gc --keep 0 --older-than 0s\\)`));
    const exported = await trueline(["export", "one", "base", join(store.home, "copy")]);
    expect(exported).toMatchObject({ code: 3, stderr: expect.stringMatching(/TL_STORE_MISSING .* was removed by .*\n.*trueline resume one/) as string });
    expect(await trueline(["verify"])).toMatchObject({ code: 0 });
  });

  it("leaves a pinned stage alone, and says who pinned it and why", async () => {
    await old();
    expect(await trueline(["pin", "one/base", "--reason", "in the paper"])).toMatchObject({ code: 0 });
    const { stdout } = await trueline(["gc", "--keep", "0", "--older-than", "0s"]);
    expect(stdout).toMatch(/one\/base is pinned\npinned: one\/base, by .*, because: in the paper\nNothing to remove/);
    expect((await trueline(["status", "one"])).stdout).toContain("pinned: one/base");
    expect(await trueline(["unpin", "one/base"])).toMatchObject({ code: 0 });
    expect(await trueline(["unpin", "one/base"])).toMatchObject({ code: 3 });
    expect(await trueline(["pin", "one/bass"])).toMatchObject({ code: 3, stderr: expect.stringContaining("did you mean `base`?") as string });
    expect((await trueline(["gc", "--keep", "0", "--older-than", "0s"])).stdout).toContain("would go");
  });

  it("refuses a policy that is none", async () => {
    expect(await trueline(["gc", "--older-than", "soon"])).toMatchObject({ code: 2, stderr: expect.stringContaining("a duration such as 12h or 30d") as string });
  });
});

describe("trace", () => {
  it("takes a digest's start, RUN/STAGE, a directory of the store and an exported copy for the same", async () => {
    const copy = join(store.home, "copy");
    expect(await trueline(["export", "one", "base", copy])).toMatchObject({ code: 0 });
    for (const name of [artifact.slice(0, 8), "one/base", store.artifacts.directory(artifact), copy]) {
      const { code, stdout } = await trueline(["trace", name, "--json"]);
      expect([code, JSON.parse(stdout)], name).toMatchObject([0, { artifact, differs: [], makings: [{ run: "one", stage: "base" }] }]);
    }
    const card = await readFile(join(copy, "README.md"), "utf8");
    expect(card).toMatch(/\| one\/base \| pretrain \| [0-9a-f]{12} \|/);
    expect(card).toContain("## Settings");
    const { stdout } = await trueline(["trace", copy]);
    expect(stdout).toMatch(/made by one\/base {2}pretrain.*\n {2}spec {4}\/spec.json \([0-9a-f]{12}\)\n(.*\n)* {2}.* base: attempt 1 started in process 7 .*\n(.*\n)*run one\n {2}.* ada@host submitted p/);
  });

  it("takes what export adds to a copy for no difference, unless the artifact had a file of that name", async () => {
    const copy = join(store.home, "copy");
    await trueline(["export", "one", "base", copy]);
    await mkdir(join(copy, "onnx"));
    for (const name of ["genai_config.json", "onnx/model.onnx", "onnx/model.onnx_data"]) await writeFile(join(copy, name), "added");
    expect(JSON.parse((await trueline(["trace", copy, "--json"])).stdout)).toMatchObject({ differs: [] });
    await writeFile(join(copy, "onnx", "other.onnx"), "mine");
    expect(JSON.parse((await trueline(["trace", copy, "--json"])).stdout)).toMatchObject({ differs: [{ file: join(copy, "onnx", "other.onnx") }] });
    const own = plannedStage("own");
    await submitted(store, "two", soundPlan("p", own));
    await computed(store, "two", own, { "README.md": "its own" });
    await trueline(["export", "two", "own", join(store.home, "another")]);
    expect(JSON.parse((await trueline(["trace", join(store.home, "another"), "--json"])).stdout)).toMatchObject({ differs: [{ file: join(store.home, "another", "README.md") }] });
  });

  it("says where a copy's bytes differ from what was made", async () => {
    const copy = join(store.home, "copy");
    await trueline(["export", "one", "base", copy]);
    await writeFile(join(copy, "model.bin"), "Weights");
    await writeFile(join(copy, "notes.txt"), "mine");
    const { code, stdout } = await trueline(["trace", copy]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/differs: .*copy\/model.bin has SHA-256 .*\n.*differs: .*copy\/notes.txt is listed in no manifest/);
  });

  it("knows what gc removed, and refuses what it does not know", async () => {
    await store.ledger.append("one", { type: "artifact-removed", stage: "base", key: base.key, artifact, bytes: 7, actor: "ada@host", reason: "gc --keep 0" });
    await rm(store.artifacts.directory(artifact), { recursive: true });
    expect((await trueline(["trace", artifact])).stdout).toContain("ada@host removed artifact");
    expect(await trueline(["trace", "one/none"])).toMatchObject({ code: 3 });
    expect(await trueline(["trace", "nothing"])).toMatchObject({ code: 3, stderr: expect.stringContaining("TL_STORE_MISSING") as string });
    expect(await trueline(["trace", store.home])).toMatchObject({ code: 3, stderr: expect.stringContaining("has no artifact.json") as string });
  });
});

describe("history", () => {
  it("of a run tells each attempt, checkpoints of a stage in one line, or with --all each in its own", async () => {
    const sft = plannedStage("sft", ["base"], "sft");
    await submitted(store, "two", soundPlan("p", base, sft));
    await reused(store, "two", base);
    for (const step of [5, 10, 15]) await checkpointed(store, await started(store, "two", sft, { model: [artifact] }), step);
    const claim = await started(store, "two", sft, { model: [artifact] });
    for (const step of [20, 25, 30]) await checkpointed(store, claim, step);
    await store.ledger.append("two", { type: "run-resumed", attempt: 2, actor: "bob@host", reason: "the disk was full", versions: {}, found: "interrupted" });
    const { stdout } = await trueline(["history", "two"]);
    expect(stdout).toMatch(/^Attempt 1, \d{4}-\d\d-\d\d, (< )?\d+ s\n {2}\d\d:\d\d:\d\d {2}ada@host submitted p from \/spec\.json/);
    expect(stdout).toMatch(/sft: 3 checkpoints, the last after step 30 \(1 kB\)\nAttempt 2, .*\n.*bob@host resumed the run, which was interrupted: attempt 2, because: the disk was full\n$/);
    expect((await trueline(["history", "two", "--all"])).stdout.match(/checkpoint after step/g)).toHaveLength(6);
    const lines = (await trueline(["history", "two/base"])).stdout;
    expect(lines).toMatch(/^Attempt 1, .*\n.* base: result of run one reused \(artifact [0-9a-f]{12}\)\n$/);
    await started(store, "two", sft);
    expect((await trueline(["history", "two/sft"])).stdout).toMatch(/^Attempt 1, .*\n(.* sft: .*\n)*Attempt 2, .*\n.* sft: attempt 1 started .*\n$/);
    expect(JSON.parse((await trueline(["history", "two", "--json"])).stdout)).toEqual(await store.ledger.read("two"));
  });

  it("of a stage tells what changed from run to run, newest first, with figures and artifact", async () => {
    const changed = { ...base, key: "1".repeat(64), keyParts: { seed: 9 } };
    await submitted(store, "two", soundPlan("p", changed));
    const other = await computed(store, "two", changed, { "model.bin": "more" });
    const { stdout } = await trueline(["history", "base"]);
    const [header, newest, oldest, end] = stdout.split("\n");
    expect(header).toMatch(/^run {2}when {2,}state {2,}time {2}key {2,}artifact$/);
    expect(newest).toMatch(new RegExp(`^two  .* finished  2 s +111111111111  ${other.slice(0, 12)}  loss/lm 1.0e-8; seed of base changed from nothing to 9$`));
    expect(oldest).toMatch(new RegExp(`^one  .* ${artifact.slice(0, 12)}  loss/lm 1.0e-8$`));
    expect(end).toBe("");
    expect(JSON.parse((await trueline(["history", "base", "--json"])).stdout)).toMatchObject([{ run: "two", artifact: other, changes: ["seed of base changed from nothing to 9"] }, { run: "one" }]);
  });

  it("refuses a name that is both, or neither", async () => {
    await submitted(store, "base", soundPlan("p", base));
    expect(await trueline(["history", "base"])).toMatchObject({ code: 2, stderr: expect.stringContaining("base is both a run and a stage") as string });
    expect(await trueline(["history", "base", "--as", "run"])).toMatchObject({ code: 0, stdout: expect.stringContaining("submitted p") as string });
    expect(await trueline(["history", "base", "--as", "stage"])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^run /) as string });
    expect(await trueline(["history", "bass"])).toMatchObject({ code: 3, stderr: expect.stringContaining("Did you mean base?") as string });
    expect(await trueline(["history", "one/bass"])).toMatchObject({ code: 3, stderr: expect.stringContaining("did you mean `base`?") as string });
  });
});
