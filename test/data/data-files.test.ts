import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { resolveDataFiles } from "../../data/data-files.js";
import { readDataset } from "./read.js";

let root: string;
let spec: string;
let shared: string;

beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "trueline-files-")));
  [spec, shared] = [join(root, "spec"), join(root, "shared")];
  for (const path of ["spec/shards/b.jsonl", "spec/shards/a.jsonl.gz", "spec/shards/c.parquet", "spec/shards/deep/d.jsonl", "spec/shards/notes.md", "spec/shards/.hidden.jsonl", "spec/[x].jsonl", "shared/e.csv", "shared/f.csv", "secret/g.jsonl"]) await put(path);
  vi.stubEnv("TRUELINE_DATA", shared);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

async function put(path: string, content = "{\"prompt\":\"a\"}\n"): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
}

const found = async (path: string | readonly string[], allowPaths: readonly string[] = []) =>
  (await resolveDataFiles(path, { specDirectory: spec, allowPaths })).files.map((file) => file.slice(root.length + 1));
const failsWith = (code: string, message: RegExp = /./) => expect.objectContaining({ code, message: expect.stringMatching(message) as unknown });

describe("a data entry's path", () => {
  it("may be a folder: the data files in it by name, and nothing below or hidden", async () => {
    expect(await found("shards")).toEqual(["spec/shards/a.jsonl.gz", "spec/shards/b.jsonl", "spec/shards/c.parquet"]);
    await mkdir(join(spec, "empty"));
    await expect(found("empty")).rejects.toEqual(failsWith("TL_DATA_MISSING", /holds no data file/));
  });

  it("may be a pattern, beside the spec, then in TRUELINE_DATA, then among the sample data", async () => {
    expect(await found("shards/*.jsonl*")).toEqual(["spec/shards/a.jsonl.gz", "spec/shards/b.jsonl"]);
    expect(await found("./shards/**/*.jsonl")).toEqual(["spec/shards/b.jsonl", "spec/shards/deep/d.jsonl"]);
    expect(await found("shards/{b,c}.*")).toEqual(["spec/shards/b.jsonl", "spec/shards/c.parquet"]);
    expect(await found("[ef].csv")).toEqual(["shared/e.csv", "shared/f.csv"]);
    expect((await resolveDataFiles("sample/p*.jsonl", { specDirectory: spec, allowPaths: [] })).files.map((file) => file.replace(/.*\//, ""))).toEqual(["preferences.jsonl", "prompts-en.jsonl", "prompts.jsonl"]);
    await expect(found("*.csvx")).rejects.toEqual(failsWith("TL_DATA_MISSING", new RegExp(`${spec}/\\*\\.csvx, ${shared}/\\*\\.csvx`)));
  });

  it("may be a list of these, each file once, in the list's order", async () => {
    expect(await found(["e.csv", "shards/b.jsonl", "shards"])).toEqual(["shared/e.csv", "spec/shards/b.jsonl", "spec/shards/a.jsonl.gz", "spec/shards/c.parquet"]);
  });

  it("means what is there, though it be written like a pattern", async () => {
    expect(await found("[x].jsonl")).toEqual(["spec/[x].jsonl"]);
    await put("spec/[y]/a.jsonl");
    expect(await found("[y]")).toEqual(["spec/[y]/a.jsonl"]);
  });

  it.each(["../secret/*.jsonl", "shards/../../secret/*", "\\.\\./secret/*.jsonl", "*/../../secret/*.jsonl"])("can't leave by dots: %s", async (path) => {
    await expect(found(path)).rejects.toEqual(failsWith("TL_DATA_OUTSIDE"));
  });

  it("finds nothing outside by braces", async () => {
    await expect(found("{shards,../secret}/g.jsonl")).rejects.toEqual(failsWith("TL_DATA_MISSING"));
  });

  it("can't leave by links, to a file or to a folder", async () => {
    await symlink(join(root, "secret/g.jsonl"), join(spec, "shards/link.jsonl"));
    await symlink(join(root, "secret"), join(spec, "away"));
    await expect(found("shards/*.jsonl")).rejects.toEqual(failsWith("TL_DATA_OUTSIDE"));
    await expect(found("shards")).rejects.toEqual(failsWith("TL_DATA_OUTSIDE"));
    await expect(found("away")).rejects.toEqual(failsWith("TL_DATA_OUTSIDE"));
    await expect(found("away/*.jsonl")).rejects.toEqual(failsWith("TL_DATA_OUTSIDE"));
    await expect(found("**/g.jsonl")).rejects.toEqual(failsWith("TL_DATA_MISSING"));
  });

  it("goes through links that stay, to the file itself", async () => {
    await symlink(join(spec, "shards/deep"), join(spec, "near"));
    expect(await found("near/*.jsonl")).toEqual(["spec/shards/deep/d.jsonl"]);
  });

  it("that is absolute needs an allowed folder", async () => {
    await expect(found(join(root, "secret/*.jsonl"))).rejects.toEqual(failsWith("TL_DATA_OUTSIDE"));
    await expect(found(join(root, "secret"))).rejects.toEqual(failsWith("TL_DATA_OUTSIDE"));
    expect(await found(join(root, "secret/*.jsonl"), [join(root, "secret")])).toEqual(["secret/g.jsonl"]);
  });

  it("may not be a pattern that takes for ever, or is none", async () => {
    await put(`spec/many/${"a".repeat(200)}.jsonl`);
    await expect(found(`many/${"*a".repeat(60)}*b.jsonl`)).rejects.toEqual(expect.objectContaining({ code: expect.stringMatching(/TL_DATA_(UNREADABLE|MISSING)/) as unknown }));
    await expect(found(`${"{a,b}/".repeat(200)}*.jsonl`)).rejects.toEqual(failsWith("TL_DATA_UNREADABLE", /at most 1000 characters/));
  }, 20_000);
});

it("rows of several files are one entry's, each with its own file and line", async () => {
  await put("spec/two/a.jsonl", "{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}\n");
  await put("spec/two/b.jsonl", "{\"prompt\":\"b\"}\n{}\n");
  const { files } = await resolveDataFiles("two", { specDirectory: spec, allowPaths: [] });
  const source = { name: "two", format: "prompt" as const, path: "two", files: files.map((path) => ({ path })), holdout: 0, maxBadShare: 0.5 };
  const { prompts, counts } = await readDataset(source);
  expect([...prompts.train].map((row) => `${row.source.file.slice(spec.length + 1)}:${row.source.line}`)).toEqual(["two/a.jsonl:1", "two/a.jsonl:2"]);
  expect(counts["two"]).toEqual({ rows: 4, bad: 1, train: 3, heldOut: 0, duplicates: 1 });
  await expect(readDataset({ ...source, maxBadShare: 0 })).rejects.toEqual(failsWith("TL_DATA_BAD_ROWS", /two\/b\.jsonl:2: prompt/));
});
