import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { writeDurably, writerOf } from "../../foundation/files.js";
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

it("the halves of writes that a process was killed at go with it; those of the living, of other hosts, and files of like names stay", async () => {
  const store = emptyStore();
  const { pid } = spawnSync("true");
  const random = "0123456789ab";
  const folders = [store.home, join(store.home, "ledger"), join(store.home, "runs", "one", "plans")];
  const stay = [`.one.head.${hostname()}.${process.pid}.${random}`, `.one.head.elsewhere.${pid}.${random}`, `one.${hostname()}.${pid}.${random}`, `.one.head.${random}`];
  for (const folder of folders) {
    await mkdir(folder, { recursive: true });
    for (const name of [...stay, `.one.head.${hostname()}.${pid}.${random}`]) await writeFile(join(folder, name), "");
  }
  await store.sweep();
  for (const folder of folders) expect((await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile()).map(({ name }) => name).sort()).toEqual([...stay].sort());
});

it("writes name their writer", async () => {
  const store = emptyStore();
  let names: string[] = [];
  const chunks = function* (): Generator<Uint8Array> {
    names = readdirSync(store.home);
    yield new Uint8Array(1);
  };
  await writeDurably(join(store.home, "one"), chunks());
  expect(names.map(writerOf)).toEqual([process.pid]);
});
