import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { makeFolder, writeDurably } from "../../foundation/files.js";
import { systemCode } from "../../foundation/storage-faults.js";

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

it("a write that fails names its file and keeps the system's code", async () => {
  const path = join(await temporaryFolder(), "missing", "file");
  const error: unknown = await writeDurably(path, "text").catch((fault: unknown) => fault);
  expect(error).toMatchObject({ message: expect.stringContaining(`${path} can't be written: `) as string });
  expect(systemCode(error)).toBe("ENOENT");
});
