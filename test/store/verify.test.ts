import { appendFile, cp, mkdir, mkdtemp, readFile, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { randomInt } from "node:crypto";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { randomAt } from "../../foundation/random.js";
import { ledgerFaults } from "../../store/chain.js";
import { filesUnder } from "../../store/files.js";
import { sealedText } from "../../store/records.js";
import { Store } from "../../store/store.js";
import { manifestIn } from "../../store/verify-artifact.js";
import { checkCheckpoints, checkResult, entriesByKey } from "../../store/verify-key.js";
import { checkRun, type Findings } from "../../store/verify-run.js";
import { verifyStore } from "../../store/verify.js";
import { filled, plannedStage } from "./home.js";
import { checkpointed, computed, ended, reused, soundPlan, started, submitted } from "./life.js";

const [base, sft] = [plannedStage("base"), plannedStage("sft", ["base"])];
const big = "weights ".repeat(20_000);

/** A finished run, one that reuses its first stage and stands at a checkpoint of its second, and nothing wrong. */
let home: string;
let artifact: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "trueline-verify-"));
  const store = new Store(home);
  await submitted(store, "one", soundPlan("p", base));
  artifact = await computed(store, "one", base, { "model.bin": big, "config.json": "{}" });
  await ended(store, "one", "run-finished");
  await submitted(store, "two", soundPlan("p", base, sft));
  await reused(store, "two", base);
  const claim = await started(store, "two", sft, { model: [artifact] });
  for (const step of [5, 10]) await checkpointed(store, claim, step);
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** A copy of the store that a test may damage. */
async function copy(): Promise<Store> {
  const other = await mkdtemp(join(tmpdir(), "trueline-verify-"));
  onTestFinished(() => rm(other, { recursive: true, force: true }));
  await cp(home, other, { recursive: true });
  return new Store(other);
}

async function faults(store: Store, runs?: readonly string[]): Promise<string[]> {
  return (await verifyStore(store, { runs, settleMilliseconds: 0 })).faults.map(({ file, found }) => `${relative(store.home, file)} ${found}`);
}

/** Files that last: all but claims and what is being written. */
async function lasting(store: Store): Promise<string[]> {
  return (await filesUnder(store.home)).filter((path) => !/^(claims|scratch)\//.test(path));
}

function flipped(bytes: Uint8Array, bit: number): Buffer {
  const copied = Buffer.from(bytes);
  copied[bit >> 3]! ^= 1 << (bit & 7);
  return copied;
}

/** Changes a member of a record and seals it anew, as somebody would who knows how. */
async function rewrite(path: string, name: string, value: unknown): Promise<void> {
  const { digest: _, ...record } = z.record(z.string(), z.unknown()).parse(JSON.parse(await readFile(path, "utf8")));
  await writeFile(path, sealedText({ ...record, [name]: value }));
}

describe("verify", () => {
  it("finds nothing wrong with a sound store, and tells each ledger's newest hash", async () => {
    const { faults: found, notes, runs, artifacts } = await verifyStore(new Store(home));
    expect([found, notes, artifacts]).toEqual([[], [], 1]);
    const head = expect.stringMatching(/^[0-9a-f]{64}$/) as string;
    expect(runs).toEqual([{ run: "one", lines: 4, head }, { run: "two", lines: 5, head }]);
  });

  it("finds every single flipped bit of a ledger and of its newest hash", async () => {
    const { ledger } = new Store(home);
    const [bytes, head] = [await readFile(ledger.path("one")), await readFile(ledger.headPath("one"))];
    const missed = (changed: Buffer, other: Buffer) => ledgerFaults("one", "ledger", changed, "head", other).faults.length === 0;
    expect(missed(bytes, head)).toBe(true);
    expect(Array.from({ length: bytes.length * 8 }, (_, bit) => bit).filter((bit) => missed(flipped(bytes, bit), head))).toEqual([]);
    expect(Array.from({ length: head.length * 8 }, (_, bit) => bit).filter((bit) => missed(bytes, flipped(head, bit)))).toEqual([]);
  });

  it("tells the damaged end of a whole last line from a line that a crash cut short, though the newest hash is one behind", async () => {
    const { ledger } = new Store(home);
    const bytes = await readFile(ledger.path("one"));
    const before = (await ledger.read("one")).at(-2)!;
    const head = Buffer.from(JSON.stringify({ sequence: before.sequence, hash: before.hash }));
    const check = (changed: Buffer) => ledgerFaults("one", "ledger", changed, "head", head);
    for (let bit = 0; bit < 8; bit++) {
      expect(check(flipped(bytes, (bytes.length - 1) * 8 + bit)).faults).toMatchObject([{ file: "ledger:4", found: "the end of the last line has been changed" }]);
    }
    expect(check(bytes.subarray(0, -9))).toMatchObject({ faults: [], notes: [expect.stringContaining("a crash cut short") as string] });
  });

  it("finds every single flipped bit of an artifact's manifest", async () => {
    const bytes = await readFile(join(new Store(home).artifacts.directory(artifact), "artifact.json"));
    expect(manifestIn(bytes, artifact)).toBeDefined();
    expect(Array.from({ length: bytes.length * 8 }, (_, bit) => bit).filter((bit) => manifestIn(flipped(bytes, bit), artifact) !== undefined)).toEqual([]);
  });

  it("finds flipped bits all through a run's record, a plan, a result and a checkpoint's manifest", async () => {
    const store = await copy();
    const entries = entriesByKey((await Promise.all(["one", "two"].map((run) => store.ledger.read(run)))).flat());
    const findings = async (check: (into: Findings) => Promise<unknown>): Promise<number> => {
      const into: Findings = { faults: [], notes: [] };
      await check(into);
      return into.faults.length;
    };
    const run = async () => (await checkRun(store, "one")).faults.length;
    const [plan = ""] = await store.runs.planDigests("one");
    const checks: [string, () => Promise<number>][] = [
      [store.runs.recordPath("one"), run],
      [store.runs.planPath("one", plan), run],
      [store.results.path(base.key), () => findings((into) => checkResult(store, base.key, entries.get(base.key)!, into))],
      [join(store.checkpoints.folder(sft.key), "10", "checkpoint.json"),
        () => findings((into) => checkCheckpoints(store, sft.key, entries.get(sft.key)!, into, () => undefined))],
    ];
    for (const [path, check] of checks) {
      const bytes = await readFile(path);
      expect(await check(), path).toBe(0);
      for (let byte = 0; byte < bytes.length; byte += 11) {
        await writeFile(path, flipped(bytes, 8 * byte + byte % 8));
        if (await check() === 0) expect.fail(`bit ${byte % 8} of byte ${byte} of ${path}`);
      }
      await writeFile(path, bytes);
    }
  });

  it("finds a random flipped bit of any file, and names that file", async () => {
    const store = await copy();
    const seed = randomInt(2 ** 31);
    const random = randomAt(seed, "flips");
    const paths = await lasting(store);
    for (let flip = 0; flip < 60; flip++) {
      const path = paths[flip % paths.length]!;
      const bytes = await readFile(join(store.home, path));
      const bit = Math.floor(random.uniform() * bytes.length * 8);
      await writeFile(join(store.home, path), flipped(bytes, bit));
      const found = (await verifyStore(store, { settleMilliseconds: 0 })).faults.map(({ file }) => relative(store.home, file));
      expect(found.some((file) => file === path || file.startsWith(`${path}:`)), `seed ${seed}: bit ${bit} of ${path}, found ${found.join(", ")}`).toBe(true);
      await writeFile(join(store.home, path), bytes);
    }
  });

  it.each<[string, (store: Store) => Promise<void>, readonly string[]]>([
    ["lines missing from the end", async (store) => {
      const text = await readFile(store.ledger.path("two"), "utf8");
      await writeFile(store.ledger.path("two"), text.split("\n").slice(0, -2).map((line) => `${line}\n`).join(""));
    }, ["ledger/two.head lines are missing from the end: the newest was number 5, there are 4"]],
    ["a ledger that is gone", (store) => rm(store.ledger.path("two")), ["ledger/two.jsonl the ledger is missing"]],
    ["a ledger that is gone with its newest hash", async (store) => {
      for (const path of [store.ledger.path("two"), store.ledger.headPath("two")]) await rm(path);
    }, ["ledger/two.jsonl the ledger is missing"]],
    ["a newest hash that is gone", (store) => rm(store.ledger.headPath("two")), ["ledger/two.head the record of the newest hash is missing"]],
    ["a record that is gone", (store) => rm(store.runs.recordPath("two")), ["runs/two/run.json is missing"]],
    ["a plan that is gone", async (store) => {
      const [plan = ""] = await store.runs.planDigests("two");
      await rm(store.runs.planPath("two", plan));
    }, [expect.stringMatching(/^runs\/two\/plans\/.* is missing$/) as string]],
    ["a file of an artifact that is gone", (store) => rm(join(store.artifacts.directory(artifact), "config.json")), [expect.stringMatching(/config.json is missing$/) as string]],
    ["an artifact that is gone", (store) => rm(store.artifacts.directory(artifact), { recursive: true }), [expect.stringMatching(/artifact.json is missing$/) as string]],
    ["a file cut short", (store) => truncate(join(store.artifacts.directory(artifact), "model.bin"), 9), [expect.stringMatching(/model.bin has 9 bytes$/) as string]],
    ["a file that no manifest lists", (store) => writeFile(join(store.artifacts.directory(artifact), "more.bin"), "x"), [expect.stringMatching(/more.bin is listed in no manifest$/) as string]],
    ["a link where a file was", async (store) => {
      const path = join(store.artifacts.directory(artifact), "model.bin");
      await rename(path, join(store.home, "elsewhere"));
      await symlink(join(store.home, "elsewhere"), path);
    }, [expect.stringMatching(/model.bin is no regular file$/) as string]],
    ["a result that was rewritten with its digest", (store) => rewrite(store.results.path(base.key), "seconds", 9), [`results/${base.key}.json is not what the ledger says`]],
    ["a run's record that was rewritten with its digest", (store) => rewrite(store.runs.recordPath("two"), "actor", "eve"), ["runs/two/run.json is not what the ledger says"]],
    ["a checkpoint that was rewritten with its digest", (store) => rewrite(join(store.checkpoints.folder(sft.key), "10", "checkpoint.json"), "environment", undefined),
      [expect.stringMatching(/10\/checkpoint.json has digest .*, which the ledger of run two does not know$/) as string]],
    ["a result that is gone", (store) => rm(store.results.path(base.key)), [`results/${base.key}.json is missing`]],
    ["the newest checkpoint gone", (store) => rm(join(store.checkpoints.folder(sft.key), "10"), { recursive: true }), [`checkpoints/${sft.key}/10 is missing`]],
  ])("finds %s", async (_, damage, expected) => {
    const store = await copy();
    await damage(store);
    expect((await faults(store)).slice(0, 1)).toEqual(expected);
  });

  it("takes what a crash leaves for no damage, and says it", async () => {
    const store = await copy();
    await appendFile(store.ledger.path("two"), '{"at":"20');
    const claim = (await store.claims.holder(sft.key))!;
    await store.checkpoints.publish(claim, 15, await filled(store, { "state.bin": "after 15" }));
    await store.runs.addAttempt("two");
    await mkdir(store.runs.directory("three"));
    const { faults: found, notes } = await verifyStore(store, { settleMilliseconds: 0 });
    expect(found).toEqual([]);
    expect(notes.join("\n")).toMatch(/two.jsonl ends in 9 bytes(.|\n)*run.json knows of an attempt(.|\n)*15 is not in the ledger/);
  });

  it("of one run leaves the others alone", async () => {
    const store = await copy();
    await rm(store.ledger.headPath("two"));
    await writeFile(join(store.checkpoints.folder(sft.key), "10", "state.bin"), "after XX");
    expect(await faults(store, ["one"])).toEqual([]);
    expect(await faults(store, ["two"])).toHaveLength(2);
    await expect(verifyStore(store, { runs: ["three"] })).rejects.toMatchObject({ code: "TL_STORE_MISSING" });
  });

  it("finds a ledger that was rewritten as a whole by a hash that was noted before", async () => {
    const store = await copy();
    const { runs: [{ head } = {}] } = await verifyStore(store, { runs: ["one"] });
    const entries = await store.ledger.read("one");
    for (const path of [store.ledger.path("one"), store.ledger.headPath("one")]) await rm(path);
    await store.ledger.append("one", ...entries.map(({ event }) => event));
    expect(await faults(store, ["one"])).toEqual([]);
    const { faults: [found] } = await verifyStore(store, { runs: ["one"], head });
    expect(found).toMatchObject({ file: store.ledger.path("one"), expected: `a line with hash ${head}` });
  });

  it("does not miss a damaged artifact that an attempt set aside, also for another run that used it", async () => {
    const store = await copy();
    await store.artifacts.setAside(artifact);
    expect(await faults(store, ["one"])).toHaveLength(1);
    await store.ledger.append("two", { type: "stage-set-aside", stage: "base", key: base.key, artifact, actor: "worker 7@host", reason: "the bytes have changed" });
    expect(await faults(store, ["one"])).toEqual([]);
  });

  it("does not miss an artifact that gc removed", async () => {
    const store = await copy();
    for (const run of ["one", "two"]) {
      await store.ledger.append(run, { type: "artifact-removed", stage: "base", key: base.key, artifact, bytes: 1, actor: "ada" });
    }
    await rm(store.artifacts.directory(artifact), { recursive: true });
    await rm(store.results.path(base.key));
    expect(await faults(store)).toEqual([]);
  });
});
