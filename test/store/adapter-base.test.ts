import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { weightsOf } from "../../store/adapter-base.js";
import { collect, survey } from "../../store/gc.js";
import { emptyStore, filled, keyOf, plannedStage } from "./home.js";
import { computed, ended, finished, soundPlan, started, submitted } from "./life.js";
import type { Store } from "../../store/store.js";

const day = 24 * 3600_000;
const adapter = async (store: Store, artifact: string, text = "adapter") =>
  store.artifacts.publish(await filled(store, { "adapter_model.safetensors": text }), "language-model", { base: { artifact }, figures: {} });

describe("an adapter's artifact", () => {
  it("leads to the whole model under it, through adapters between", async () => {
    const store = emptyStore();
    const whole = await store.artifacts.publish(await filled(store, { "model.bin": "weights" }), "language-model", { figures: {} });
    const first = await adapter(store, whole);
    const second = await adapter(store, first, "second");
    expect(await weightsOf(store.artifacts, whole)).toEqual({ directory: store.artifacts.directory(whole), adapters: [] });
    expect(await weightsOf(store.artifacts, second)).toEqual({
      directory: store.artifacts.directory(whole), adapters: [first, second].map((digest) => store.artifacts.directory(digest)),
    });
  });

  it("names a directory outside the store with its digest", async () => {
    const store = emptyStore();
    const base = { path: "/models/base", digest: keyOf("base") };
    const digest = await store.artifacts.publish(await filled(store, { "adapter_model.safetensors": "a" }), "language-model", { base, figures: {} });
    expect(await weightsOf(store.artifacts, digest)).toEqual({ directory: "/models/base", adapters: [store.artifacts.directory(digest)], outside: base });
    expect(await store.artifacts.fault(digest, { deep: true })).toBeUndefined();
  });

  it("may stand on an adapter outside the store, and on what lies under that", async () => {
    const store = emptyStore();
    const [whole, between] = [{ path: "/models/whole", digest: keyOf("whole") }, { path: "/models/between", digest: keyOf("between") }];
    const base = { path: "/models/adapter", digest: keyOf("adapter"), under: [whole, between] };
    const digest = await store.artifacts.publish(await filled(store, { "adapter_model.safetensors": "a" }), "language-model", { base, figures: {} });
    expect(await weightsOf(store.artifacts, digest)).toEqual({ directory: whole.path, adapters: [between.path, base.path, store.artifacts.directory(digest)], outside: base });
  });

  it("is as whole as what it stands on", async () => {
    const store = emptyStore();
    const whole = await store.artifacts.publish(await filled(store, { "model.bin": "weights" }), "language-model", { figures: {} });
    const digest = await adapter(store, whole);
    expect(await store.artifacts.fault(digest, { deep: true })).toBeUndefined();
    await writeFile(join(store.artifacts.directory(whole), "model.bin"), "weightz");
    expect(await store.artifacts.fault(digest, { deep: true })).toMatch(/what its adapter stands on: .*model\.bin/);
    await rm(store.artifacts.directory(whole), { recursive: true });
    expect(await store.artifacts.fault(digest)).toMatch(/what its adapter stands on: There is no artifact/);
  });

  it("keeps what it stands on from gc, though the run that made that is old", async () => {
    const store = emptyStore();
    const policy = { keep: 1, olderThanSeconds: 0 };
    const [base, tuned] = [{ ...plannedStage("base"), key: keyOf("base") }, { ...plannedStage("tuned"), key: keyOf("tuned") }];
    await submitted(store, "one", soundPlan("p", base));
    const whole = await computed(store, "one", base, { "model.bin": "weights" });
    await ended(store, "one", "run-finished");
    await submitted(store, "two", soundPlan("p", tuned));
    const made = await finished(store, await started(store, "two", tuned), "sft", { "adapter_model.safetensors": "a" }, { base: { artifact: whole }, figures: {} });
    await ended(store, "two", "run-finished");
    const later = () => Date.now() + 100 * day;
    const found = await survey(store, policy, later());
    expect(found.remaining.find(({ digest }) => digest === whole)?.why).toMatch(new RegExp(`the adapter ${made.slice(0, 12)} stands on it, and two is the newest of p`));
    await collect(store, policy, found, { actor: "ada@host", reason: "gc" }, later);
    expect(await store.artifacts.isThere(whole)).toBe(true);
  });
});
