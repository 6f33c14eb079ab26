import { spawnSync } from "node:child_process";
import { mkdir, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { choosePool, place, servesGpus } from "../../store/placement.js";
import { thisProcess } from "../../store/processes.js";
import { stays } from "../../store/workers.js";
import { emptyStore, keyOf } from "./home.js";
import { elsewhere, offer, queuesFor, recorded } from "./offers.js";

describe("the workers of a home", () => {
  it("are those that have said so and have not left", async () => {
    const store = emptyStore();
    expect(await store.workers.present()).toEqual([]);
    const withdraw = await store.workers.register({ queues: queuesFor({ gpus: 2 }), cpus: 4, gpus: 2 });
    expect(await store.workers.present()).toMatchObject([{ process: thisProcess, gpus: 2, queues: ["trueline-cpu", "trueline-gpu-2"] }]);
    await withdraw();
    expect(await store.workers.present()).toEqual([]);
  });

  it("stay, unless the command that brought them along has died", async () => {
    const store = emptyStore();
    const dead = { ...thisProcess, pid: spawnSync("true").pid };
    for (const [command, expected] of [[undefined, true], [thisProcess, true], [dead, false]] as const) {
      await recorded(store, { ...offer({ gpus: 0 }), ...(command !== undefined && { command }) });
      expect((await store.workers.present()).map(stays)).toEqual([expected]);
    }
  });

  it("renew their records while they live, and write none once they have left", async () => {
    const store = emptyStore();
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => { vi.useRealTimers(); });
    const withdraw = await store.workers.register({ queues: ["trueline-cpu"], cpus: 4, gpus: 0 });
    const path = join(store.home, "workers", `${thisProcess.host}-${process.pid}.json`);
    await utimes(path, 0, 0);
    vi.advanceTimersByTime(10_000);
    await vi.waitFor(async () => { expect((await stat(path)).mtimeMs).toBeGreaterThan(0); });
    await withdraw();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("are not those whose process is dead; their records go with the next worker's start", async () => {
    const store = emptyStore();
    await recorded(store, offer({ gpus: 1 }, { ...thisProcess, pid: spawnSync("true").pid }));
    expect(await store.workers.present()).toEqual([]);
    await recorded(store, offer({ gpus: 1 }));
    await store.sweep();
    expect(await readdir(join(store.home, "workers"))).toEqual([`${thisProcess.host}-${process.pid}.json`]);
  });

  it("are, on other hosts, those whose record was renewed within the last minute by the disk's own clock", async () => {
    const store = emptyStore();
    await recorded(store, offer({ gpus: 1 }, elsewhere(1)), 30);
    await recorded(store, offer({ gpus: 4 }, elsewhere(2)), 90);
    expect((await store.workers.present()).map(({ process }) => process.pid)).toEqual([1]);
    expect((await readdir(join(store.home, "workers"))).length, "nothing is left of the look at the clock").toBe(2);
  });

  it("are found by the disk's clock alone, whatever time this host thinks it is", async () => {
    const store = emptyStore();
    await recorded(store, offer({ gpus: 1 }, elsewhere(1)), 30);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3600_000 });
    onTestFinished(() => { vi.useRealTimers(); });
    expect(await store.workers.present()).toHaveLength(1);
  });

  it("are, on this host, those whose process lives, though a full disk kept their record from being renewed", async () => {
    const store = emptyStore();
    await recorded(store, offer({ gpus: 1 }), 90);
    await recorded(store, offer({ gpus: 1 }, elsewhere(1)), 90);
    expect((await store.workers.present()).map(({ process }) => process)).toEqual([thisProcess]);
  });

  it("are none where a record is damaged", async () => {
    const store = emptyStore();
    await mkdir(join(store.home, "workers"));
    await writeFile(join(store.home, "workers", "a-1.json"), "{\"gpus\": 8");
    expect(await store.workers.present()).toEqual([]);
  });
});

describe("the choice of a worker", () => {
  const idle = () => false;

  it("needs as many GPUs, with as much memory", () => {
    const eighty = { gpus: 8, gpuMemory: 80e9 };
    expect(servesGpus(offer({ gpus: 8, gpuMemory: 80e9 }), eighty)).toBe(true);
    expect(servesGpus(offer({ gpus: 4, gpuMemory: 80e9 }), eighty)).toBe(false);
    expect(servesGpus(offer({ gpus: 8, gpuMemory: 40e9 }), eighty)).toBe(false);
    expect(servesGpus(offer({ gpus: 8 }), eighty), "says nothing of its memory").toBe(false);
    expect(servesGpus(offer({ gpus: 8 }), { gpus: 8 })).toBe(true);
    expect(servesGpus({ ...offer({ gpus: 8 }), queues: ["trueline-cpu"] }, { gpus: 1 }), "takes no such stages").toBe(false);
  });

  it("falls on the smallest that fits, and spares those with more memory", () => {
    const offers = [offer({ gpus: 8, gpuMemory: 80e9 }, elsewhere(1)), offer({ gpus: 2, gpuMemory: 80e9 }, elsewhere(2)), offer({ gpus: 2, gpuMemory: 40e9 }, elsewhere(3)), offer({ gpus: 1 }, elsewhere(4))];
    expect(choosePool({ gpus: 2 }, offers, idle)).toBe("trueline-gpu-2x40GB");
    expect(choosePool({ gpus: 2, gpuMemory: 48e9 }, offers, idle)).toBe("trueline-gpu-2x80GB");
    expect(choosePool({ gpus: 3 }, offers, idle)).toBe("trueline-gpu-8x80GB");
    expect(choosePool({ gpus: 16 }, offers, idle)).toBeUndefined();
  });

  it("falls on an idle one before a smaller one that is busy", () => {
    const [small, large] = [offer({ gpus: 1 }, elsewhere(1)), offer({ gpus: 8 }, elsewhere(2))];
    expect(choosePool({ gpus: 1 }, [large, small], ({ pid }) => pid === 1)).toBe("trueline-gpu-8");
    expect(choosePool({ gpus: 1 }, [large, small], () => true)).toBe("trueline-gpu-1");
  });

  it("knows a busy worker by the stage that it has claimed", async () => {
    const store = emptyStore();
    await recorded(store, offer({ gpus: 1 }));
    await recorded(store, offer({ gpus: 2 }, elsewhere(9)));
    expect(await place(store, { gpus: 1 })).toBe("trueline-gpu-1");
    const { claim } = await store.claims.take(keyOf("ppo"), { run: "run", stage: "ppo", attempt: 1 });
    expect(await place(store, { gpus: 1 })).toBe("trueline-gpu-2");
    await recorded(store, offer({ gpus: 1, gpuMemory: 24e9 }, elsewhere(process.pid)));
    expect(await place(store, { gpus: 1 }), "of the same number on another host").toBe("trueline-gpu-1x24GB");
    await rm(join(store.home, "workers", `elsewhere-${process.pid}.json`));
    await store.claims.release(claim);
    expect(await place(store, { gpus: 1 })).toBe("trueline-gpu-1");
  });
});
