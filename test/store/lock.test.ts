import { spawnSync } from "node:child_process";
import { readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { withLock } from "../../store/lock.js";
import { thisProcess } from "../../store/processes.js";
import { emptyStore } from "./home.js";

const hours = 3600_000;
const pathIn = () => join(emptyStore().home, "some.lock");

async function held(by: unknown): Promise<string> {
  const path = pathIn();
  await writeFile(path, typeof by === "string" ? by : JSON.stringify(by));
  return path;
}

/** Whether the lock is had within a third of a second; the clock that measures waiting may be moved by then. */
async function isHad(path: string): Promise<boolean> {
  return Promise.race([withLock(path, async () => true), sleep(300, false)]);
}

describe("a lock", () => {
  it("lets one at a time in, and goes when the work has ended or failed", async () => {
    const path = pathIn();
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await sleep(2);
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 20 }, () => withLock(path, work)));
    expect(most).toBe(1);
    await expect(withLock(path, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await readdir(join(path, ".."))).toEqual([]);
  });

  it("of a process of this host that has died is broken", async () => {
    const { pid } = spawnSync("true");
    expect(await isHad(await held({ pid, host: hostname(), started: "1" }))).toBe(true);
  });

  it("of a live process is never broken, whatever the clock and the file's time say", async () => {
    const path = await held(thisProcess);
    await utimes(path, new Date(Date.now() - 5 * hours), new Date(Date.now() - 5 * hours));
    vi.spyOn(Date, "now").mockReturnValue(Date.now() + 24 * hours);
    onTestFinished(() => { vi.restoreAllMocks(); });
    expect(await isHad(path)).toBe(false);
    expect(JSON.parse(await readFile(path, "utf8"))).toEqual(thisProcess);
  });

  it("of a live process that does not let go is named with that process, and how it is made to", async () => {
    const path = await held(thisProcess);
    await expect(withLock(path, () => Promise.resolve(), { patience: 50 })).rejects.toMatchObject({
      code: "TL_STORE_LOCKED", message: expect.stringContaining(`by process ${process.pid} of ${hostname()}`) as string, hint: expect.stringContaining(`kill -CONT ${process.pid}`) as string,
    });
  });

  it.each([
    ["of another host", { pid: 1, host: "elsewhere", started: "" }, 59_000, 2_000],
    ["that was cut off while it was made", "", 4_000, 2_000],
  ])("%s is broken once this waiter has seen it unchanged for long enough", async (_, by, before, after) => {
    const path = await held(by);
    let clock = 0;
    vi.spyOn(performance, "now").mockImplementation(() => clock);
    onTestFinished(() => { vi.restoreAllMocks(); });
    const had = withLock(path, async () => clock);
    for (const passing of [0, before, after]) {
      await sleep(100);
      clock += passing;
    }
    expect(await had).toBe(before + after);
  });
});
