import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { resolveDataPath } from "../../data/paths.js";

let root: string;
let spec: string;
let shared: string;

beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "trueline-paths-")));
  [spec, shared] = [join(root, "spec"), join(root, "shared")];
  await put("spec/rows.jsonl");
  await put("spec/deep/rows.jsonl");
  await put("shared/rows.jsonl");
  await put("shared/other.jsonl");
  await put("secret.jsonl");
  vi.stubEnv("TRUELINE_DATA", shared);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

async function put(path: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), "{}\n");
}

const find = (path: string, allowPaths: readonly string[] = []) => resolveDataPath(path, { specDirectory: spec, allowPaths });
const failsWith = (code: string, message: RegExp = /./) => expect.objectContaining({ code, message: expect.stringMatching(message) as unknown });

describe("a relative data path", () => {
  it("is looked for beside the spec first", async () => {
    expect(await find("rows.jsonl")).toBe(join(spec, "rows.jsonl"));
    expect(await find("./deep/../deep/rows.jsonl")).toBe(join(spec, "deep/rows.jsonl"));
  });

  it("is looked for in TRUELINE_DATA next", async () => {
    expect(await find("other.jsonl")).toBe(join(shared, "other.jsonl"));
  });

  it("names the sample data that ships, wherever the spec is, unless the spec has its own", async () => {
    expect(await find("sample/prompts.jsonl")).toMatch(/data\/sample\/files\/prompts\.jsonl$/);
    await put("spec/sample/prompts.jsonl");
    expect(await find("sample/prompts.jsonl")).toBe(join(spec, "sample/prompts.jsonl"));
  });

  it("fails with all places it was looked for in", async () => {
    await expect(find("sample/none.jsonl")).rejects.toEqual(failsWith("TL_DATA_MISSING",
      new RegExp(`${spec}/sample/none\\.jsonl, ${shared}/sample/none\\.jsonl, .*/data/sample/files/none\\.jsonl`)));
    await expect(find("https://hub.example/rows.jsonl")).rejects.toMatchObject({ code: "TL_DATA_MISSING", hint: expect.stringContaining("nothing is downloaded: fetch it") as string });
    await expect(find("~/rows.jsonl")).rejects.toMatchObject({ code: "TL_DATA_MISSING", hint: expect.stringContaining("`~` has no meaning here") as string });
    await expect(find("rows.jsonl/below")).rejects.toEqual(failsWith("TL_DATA_MISSING"));
    await expect(find("nul\0")).rejects.toEqual(failsWith("TL_DATA_MISSING"));
  });

  it.each(["../secret.jsonl", "deep/../../secret.jsonl", "../shared/rows.jsonl", "sample/../../secret.jsonl", "../no-such-file"])("can't leave by dots: %s", async (path) => {
    await expect(find(path)).rejects.toEqual(failsWith("TL_DATA_OUTSIDE"));
  });

  it("can't leave by a link to a file, or below a linked folder", async () => {
    await symlink(join(root, "secret.jsonl"), join(spec, "link.jsonl"));
    await symlink(root, join(spec, "up"));
    await symlink(join(root, "secret.jsonl"), join(shared, "link2.jsonl"));
    await expect(find("link.jsonl")).rejects.toEqual(failsWith("TL_DATA_OUTSIDE"));
    await expect(find("up/secret.jsonl")).rejects.toEqual(failsWith("TL_DATA_OUTSIDE"));
    await expect(find("link2.jsonl")).rejects.toEqual(failsWith("TL_DATA_OUTSIDE"));
  });

  it("may go through links that stay, and a spec folder that is itself a link", async () => {
    await symlink(join(spec, "deep"), join(spec, "inner"));
    await symlink(spec, join(root, "linked-spec"));
    expect(await find("inner/rows.jsonl")).toBe(join(spec, "deep/rows.jsonl"));
    expect(await resolveDataPath("rows.jsonl", { specDirectory: join(root, "linked-spec"), allowPaths: [] })).toBe(join(spec, "rows.jsonl"));
  });

  it("may start with dots that are part of a name", async () => {
    await put("spec/..rows.jsonl");
    expect(await find("..rows.jsonl")).toBe(join(spec, "..rows.jsonl"));
  });
});

describe("an absolute data path", () => {
  it("needs an allowed folder", async () => {
    await expect(find(join(root, "secret.jsonl"))).rejects.toEqual(failsWith("TL_DATA_OUTSIDE"));
    await expect(find(join(root, "no-such-file"), [shared])).rejects.toEqual(failsWith("TL_DATA_OUTSIDE"));
    await expect(find(join(spec, "rows.jsonl"), [shared])).rejects.toEqual(failsWith("TL_DATA_OUTSIDE"));
    expect(await find(join(shared, "rows.jsonl"), [spec, shared])).toBe(join(shared, "rows.jsonl"));
  });

  it("can't leave the allowed folder by dots or links, nor enter one whose name merely starts alike", async () => {
    await symlink(join(root, "secret.jsonl"), join(shared, "link.jsonl"));
    await put("shared-not/rows.jsonl");
    for (const path of [`${shared}/../secret.jsonl`, join(shared, "link.jsonl"), join(root, "shared-not/rows.jsonl")]) {
      await expect(find(path, [shared])).rejects.toEqual(failsWith("TL_DATA_OUTSIDE"));
    }
  });
});

describe("what a path names", () => {
  it("is a regular file, or a directory where one is asked for", async () => {
    await expect(find("deep")).rejects.toEqual(failsWith("TL_DATA_UNREADABLE", /no regular file/));
    expect(await resolveDataPath("deep", { specDirectory: spec, allowPaths: [], kind: "directory" })).toBe(join(spec, "deep"));
    await expect(resolveDataPath("rows.jsonl", { specDirectory: spec, allowPaths: [], kind: "directory" })).rejects.toEqual(failsWith("TL_DATA_UNREADABLE", /no directory/));
  });
});
