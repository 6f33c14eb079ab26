import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { Store } from "../../store/store.js";
import { emptyStore, keyOf } from "../store/home.js";
import { hhRow, pipeline } from "../planner/pipeline.js";
import { trueline } from "./trueline.js";

let store: Store;
beforeEach(() => {
  store = emptyStore();
  process.env["TRUELINE_HOME"] = store.home;
  onTestFinished(() => { delete process.env["TRUELINE_HOME"]; });
});

describe("workers", () => {
  it("are listed with what they offer and do, without a server", async () => {
    expect(await trueline(["workers"])).toMatchObject({ code: 0, stdout: "", stderr: expect.stringContaining("trueline worker") as string });
    const withdraw = await store.workers.register({ queues: ["trueline-gpu-8x80GB"], cpus: 16, gpus: 8, gpuMemory: 80e9 });
    expect((await trueline(["workers"])).stdout).toMatch(/8 GPUs with 80GB each +trueline-gpu-8x80GB +nothing/);
    await store.claims.take(keyOf("ppo"), { run: "hh", stage: "ppo", attempt: 1 });
    expect(JSON.parse((await trueline(["workers", "--json"])).stdout)).toMatchObject([{ pid: process.pid, gpus: 8, gpuMemory: 80e9, doing: { run: "hh", stage: "ppo" } }]);
    await withdraw();
  });

  it("that a plan lacks are told by it, with the command that starts one", async () => {
    await writeFile(join(store.home, "hh.jsonl"), hhRow);
    await writeFile(join(store.home, "book.txt"), "a book\n");
    const spec = join(store.home, "spec.json");
    await writeFile(spec, JSON.stringify(pipeline(({ stages }) => { stages["ppo"]!["resources"] = { gpus: 4, memory: "40GB" }; })));
    const withdraw = await store.workers.register({ queues: ["trueline-gpu-2x80GB"], cpus: 16, gpus: 2, gpuMemory: 80e9 });
    const lacking = await trueline(["plan", spec]);
    expect(lacking.stderr).toContain("No worker offers 4 GPUs with 40GB each (there: 2 GPUs with 80GB each on ");
    expect(lacking.stderr).toContain("`trueline worker --gpus 4 --gpu-memory 40GB`");
    expect(JSON.parse((await trueline(["plan", spec, "--json"])).stdout)).toMatchObject({ unattended: ["trueline-gpu-4x40GB"] });
    await withdraw();
    const enough = await store.workers.register({ queues: ["trueline-gpu-8x80GB"], cpus: 16, gpus: 8, gpuMemory: 80e9 });
    expect((await trueline(["plan", spec])).stderr).not.toContain("No worker offers");
    await enough();
    await rm(spec);
  });

  it("that would take GPU stages alone must have GPUs, with a size of memory that can be read", async () => {
    expect(await trueline(["worker", "--only", "gpu"])).toMatchObject({ code: 2, stderr: expect.stringContaining("--gpus") as string });
    expect(await trueline(["worker", "--gpus", "1", "--gpu-memory", "lots"])).toMatchObject({ code: 2, stderr: expect.stringContaining("80GB") as string });
  });
});
