import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sha256 } from "../../foundation/canonical.js";
import type { Store } from "../../store/store.js";
import { emptyStore, plannedStage } from "../store/home.js";
import { computed, ended, soundPlan, submitted } from "../store/life.js";
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
