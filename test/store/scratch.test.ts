import { spawnSync } from "node:child_process";
import { mkdir, readdir, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { emptyStore } from "./home.js";

const week = 7 * 24 * 3600_000;

it("what a killed process left in scratch goes with the next sweep; what is in use stays, whatever the clock says", async () => {
  const store = emptyStore();
  const { pid } = spawnSync("true");
  const dead = join(store.home, "scratch", `${pid}-1-${hostname()}-abcdef`);
  const [elsewhere, old] = ["abcdef", "ghijkl"].map((end) => join(store.home, "scratch", `7-1-elsewhere-${end}`));
  for (const directory of [dead, elsewhere!, old!]) await mkdir(directory, { recursive: true });
  const past = new Date(Date.now() - week - 1000);
  await utimes(old!, past, past);
  await store.withScratch(async (mine) => {
    await utimes(mine, past, past);
    await store.sweep();
    expect((await readdir(join(store.home, "scratch"))).map((name) => join(store.home, "scratch", name)).sort()).toEqual([mine, elsewhere!].sort());
  });
});
