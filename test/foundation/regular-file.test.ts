import { execFileSync } from "node:child_process";
import { appendFile, mkdir, mkdtemp, open, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readRegular, refuseLink, regularFile } from "../../foundation/regular-file.js";

let folder: string;
beforeEach(async () => { folder = await realpath(await mkdtemp(join(tmpdir(), "trueline-regular-"))); });
afterEach(() => rm(folder, { recursive: true }));

async function read(path: string, options: Parameters<typeof regularFile>[1] = {}, between: () => Promise<void> = async () => undefined): Promise<number> {
  let bytes = 0;
  for await (const chunk of regularFile(path, options)) {
    if (bytes === 0) await between();
    bytes += chunk.length;
  }
  return bytes;
}

const refused = (why: RegExp) => expect.objectContaining({ code: "TL_DATA_UNREADABLE", message: expect.stringMatching(why) as unknown });

it("a file is read whole", async () => {
  const path = join(folder, "file");
  await writeFile(path, Buffer.alloc(1_000_003));
  expect(await read(path, { unlinked: true })).toBe(1_000_003);
  await writeFile(path, "");
  expect(await read(path)).toBe(0);
});

it("pipes, devices, folders and what the kernel makes up are refused, and nobody waits for them", async () => {
  execFileSync("mkfifo", [join(folder, "pipe")]);
  for (const path of [join(folder, "pipe"), "/dev/zero", folder]) await expect(read(path), path).rejects.toEqual(refused(/no regular file/));
  await expect(read("/proc/self/environ")).rejects.toEqual(refused(/grew beyond its 0 bytes/));
});

it("a file that grows or is rewritten while it is read is refused", async () => {
  const path = join(folder, "file");
  await writeFile(path, Buffer.alloc(600_000));
  await expect(read(path, {}, () => appendFile(path, "more"))).rejects.toEqual(refused(/grew beyond its 600000 bytes/));
  await writeFile(path, Buffer.alloc(600_000));
  await expect(read(path, {}, () => writeFile(path, Buffer.alloc(600_000, "x")))).rejects.toEqual(refused(/changed while/));
  await writeFile(path, Buffer.alloc(600_000));
  await expect(read(path, {}, () => writeFile(path, "short"))).rejects.toEqual(refused(/changed while/));
});

it("a link that has taken the place of a checked file or of a folder on the way is refused", async () => {
  await mkdir(join(folder, "data"));
  await mkdir(join(folder, "secret"));
  const path = join(folder, "data", "file");
  await writeFile(join(folder, "secret", "file"), "secret");
  await symlink(join(folder, "secret", "file"), path);
  await expect(read(path, { unlinked: true })).rejects.toEqual(refused(/a link stands where a file was/));
  await rename(join(folder, "data"), join(folder, "before"));
  await symlink(join(folder, "secret"), join(folder, "data"));
  await expect(read(path, { unlinked: true })).rejects.toEqual(refused(/a link stands where a file was/));
});

it("a file that was opened by a link which was then taken back is refused: it is another than the one at the path", async () => {
  for (const name of ["opened", "there"]) await writeFile(join(folder, name), name);
  const opened = await open(join(folder, "opened"));
  try {
    await refuseLink(join(folder, "opened"), opened);
    await expect(refuseLink(join(folder, "there"), opened)).rejects.toEqual(refused(/a link stands where a file was/));
  } finally {
    await opened.close();
  }
});

it("a text is read up to a number of bytes", async () => {
  const path = join(folder, "file");
  await writeFile(path, "x".repeat(2 ** 20));
  expect(await readRegular(path, 2 ** 20)).toHaveLength(2 ** 20);
  await writeFile(path, "x".repeat(2 ** 20 + 1));
  await expect(readRegular(path, 2 ** 20)).rejects.toEqual(refused(/more than 1 MiB/));
});
