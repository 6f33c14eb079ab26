import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { makeFolder } from "../../foundation/files.js";

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "trueline-files-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

it("a folder is made with those above it, by several at once too", async () => {
  const folder = join(await temporaryFolder(), "a", "b", "c");
  await Promise.all([makeFolder(folder), makeFolder(folder), makeFolder(join(folder, "d"))]);
  expect((await stat(join(folder, "d"))).isDirectory()).toBe(true);
});

it("a folder is refused at once where none can be: below a file, and where the file system takes no names", async () => {
  const file = join(await temporaryFolder(), "file");
  await writeFile(file, "");
  await expect(makeFolder(file)).rejects.toMatchObject({ code: "EEXIST" });
  await expect(makeFolder(join(file, "a", "b"))).rejects.toMatchObject({ code: "ENOTDIR" });
  await expect(makeFolder("/proc/none/a")).rejects.toMatchObject({ code: "ENOENT" });
});
