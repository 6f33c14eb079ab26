import { chmod, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { storageFault } from "../../foundation/storage-faults.js";
import { Store } from "../../store/store.js";
import { emptyStore, filled, keyOf } from "./home.js";

const metadata = { figures: { "loss/lm": 2 } };

describe("artifacts", () => {
  it("are directories named by the digest of their manifest, and come back as they were", async () => {
    const store = emptyStore();
    const digest = await store.artifacts.publish(await filled(store, { "model.bin": "weights", "config.json": "{}" }), "language-model", metadata);
    const manifest = await store.artifacts.read(digest);
    expect(manifest.files.map(({ path, bytes }) => [path, bytes])).toEqual([["config.json", 2], ["model.bin", 7]]);
    expect(manifest.metadata).toEqual(metadata);
    expect(await readFile(join(store.artifacts.directory(digest), "model.bin"), "utf8")).toBe("weights");
    expect(await store.artifacts.fault(digest, { deep: true })).toBeUndefined();
  });

  it("with the same files have the same digest and are kept once", async () => {
    const store = emptyStore();
    const [first, second] = [await filled(store, { a: "1" }), await filled(store, { a: "1" })];
    expect(await store.artifacts.publish(second, "report", metadata)).toBe(await store.artifacts.publish(first, "report", metadata));
    expect(await readdir(join(store.home, "artifacts"))).toHaveLength(1);
    expect(await readdir(join(store.home, "scratch"))).toEqual([]);
  });

  it("made again are put in the place of damaged ones of the same size", async () => {
    const store = emptyStore();
    const digest = await store.artifacts.publish(await filled(store, { a: "1" }), "report", metadata);
    await writeFile(join(store.artifacts.directory(digest), "a"), "2");
    await store.artifacts.publish(await filled(store, { a: "1" }), "report", metadata);
    expect(await store.artifacts.fault(digest, { deep: true })).toBeUndefined();
  });

  it("tell a missing file, another size and, asked to look deep, changed bytes", async () => {
    const store = emptyStore();
    const digest = await store.artifacts.publish(await filled(store, { a: "1", b: "22" }), "report", metadata);
    const path = (name: string) => join(store.artifacts.directory(digest), name);
    await writeFile(path("a"), "2");
    expect(await store.artifacts.fault(digest)).toBeUndefined();
    expect(await store.artifacts.fault(digest, { deep: true })).toMatch(/bytes of a have changed/);
    await writeFile(path("b"), "333");
    expect(await store.artifacts.fault(digest)).toMatch(/b has 3 bytes, not 2/);
    await rm(path("a"));
    expect(await store.artifacts.fault(digest)).toMatch(/a is missing/);
    await writeFile(path("artifact.json"), (await readFile(path("artifact.json"), "utf8")).replace("loss/lm", "loss/xx"));
    await expect(store.artifacts.read(digest)).rejects.toMatchObject({ code: "TL_STORE_CORRUPT" });
  });

  it("are made again over a damaged one of the same digest", async () => {
    const store = emptyStore();
    const digest = await store.artifacts.publish(await filled(store, { a: "1" }), "report", metadata);
    await rm(join(store.artifacts.directory(digest), "a"));
    expect(await store.artifacts.publish(await filled(store, { a: "1" }), "report", metadata)).toBe(digest);
    expect(await store.artifacts.fault(digest, { deep: true })).toBeUndefined();
  });
});

describe("results", () => {
  it("are found by key while their artifact is whole, and not after", async () => {
    const store = emptyStore();
    const { claim } = await store.claims.take(keyOf("s"), { run: "r", stage: "s", attempt: 1 });
    const artifact = await store.artifacts.publish(await filled(store, { a: "1" }), "report", metadata);
    const result = {
      version: 1 as const, key: keyOf("s"), artifact, type: "report" as const, kind: "evaluate", stage: "s", run: "r", finishedAt: "now", seconds: 1, figures: {},
    };
    await store.results.publish(claim, result);
    expect(await new Store(store.home).results.find(keyOf("s"))).toEqual(result);
    await rm(store.artifacts.directory(artifact), { recursive: true });
    expect(await store.results.find(keyOf("s"))).toBeUndefined();
  });
});

describe("faults of the disk", () => {
  it("come out with codes: full is worth a retry, denied is not", () => {
    const error = (code: string) => new Error("write failed", { cause: Object.assign(new Error("sys"), { code }) });
    expect(storageFault(error("ENOSPC"))).toMatchObject({ code: "TL_STORE_FULL", entry: { retry: true } });
    expect(storageFault(error("EROFS"))).toMatchObject({ code: "TL_STORE_DENIED", entry: { retry: false } });
  });

  it.skipIf(process.getuid?.() === 0)("name the folder that may not be written", async () => {
    const store = emptyStore();
    await chmod(store.home, 0o500);
    await expect(store.withScratch(async () => undefined)).rejects.toMatchObject({ code: "TL_STORE_DENIED" });
    await chmod(store.home, 0o700);
  });
});
