import { mkdtemp, realpath, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { DataFormat } from "../../schemas/spec.js";
import { readDataset, type HeldDataset } from "./read.js";

let folder: string;
beforeEach(async () => { folder = await realpath(await mkdtemp(join(tmpdir(), "trueline-hostile-"))); });
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

async function read(content: string | Uint8Array, { name = "rows.jsonl", format = "dialogue" as DataFormat, maxBadShare = 0 } = {}): Promise<HeldDataset> {
  const path = join(folder, name);
  await writeFile(path, content);
  return readDataset({ name: "rows", format, path, holdout: 0, maxBadShare });
}

const refused = (why: RegExp) => expect.objectContaining({
  code: "TL_DATA_UNREADABLE", message: expect.stringMatching(why) as unknown, hint: expect.stringContaining("TRUELINE_DATA_LIMIT_FACTOR=10") as unknown,
});

describe("a gzip bomb", () => {
  const mebibyte = 2 ** 20;
  /** Members of 16 MiB each, which a reader joins: 1 GiB in 1 MiB, made in no time. */
  const bomb = (member: Uint8Array) => Buffer.concat(Array.from({ length: 64 }, () => gzipSync(member)));

  it.each([
    ["of one line", Buffer.alloc(16 * mebibyte), /line 1 is longer than 16 MiB/],
    ["of many lines", Buffer.alloc(16 * mebibyte, `${" ".repeat(1023)}\n`), /decompresses to more than 200 times its size/],
    ["inside a row", Buffer.concat([Buffer.from("{\"prompt\":\"a\",\"response\":\""), Buffer.alloc(17 * mebibyte, "b"), Buffer.from("\"}\n")]), /line 1 is longer than 16 MiB/],
  ])("%s is refused by the limit it breaks, with how to raise it, in bounded memory", async (_, member, why) => {
    const before = process.memoryUsage().rss;
    await expect(read(bomb(member), { name: "rows.jsonl.gz" })).rejects.toEqual(refused(why));
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * mebibyte);
  });

  it("may be let in by raising the limits", async () => {
    const line = Buffer.concat([Buffer.from("{\"prompt\":\"a\",\"response\":\""), Buffer.alloc(17 * mebibyte, "b"), Buffer.from("\"}\n")]);
    vi.stubEnv("TRUELINE_DATA_LIMIT_FACTOR", "10");
    expect((await read(line)).dialogues.train).toHaveLength(1);
    vi.stubEnv("TRUELINE_DATA_LIMIT_FACTOR", "lots");
    await expect(read(line)).rejects.toMatchObject({ code: "TL_USAGE", message: expect.stringContaining("TRUELINE_DATA_LIMIT_FACTOR") });
  });
});

it("a line of 1 GiB is refused after its first 16 MiB", async () => {
  const path = join(folder, "rows.jsonl");
  await writeFile(path, "{");
  await truncate(path, 2 ** 30);
  await expect(readDataset({ name: "rows", format: "prompt", path, holdout: 0, maxBadShare: 1 })).rejects.toEqual(refused(/line 1 is longer than 16 MiB/));
});

it("a file that a link has replaced since it was checked is refused", async () => {
  await writeFile(join(folder, "secret.jsonl"), "{\"prompt\":\"a\",\"response\":\"b\"}\n");
  await symlink(join(folder, "secret.jsonl"), join(folder, "rows.jsonl"));
  await expect(readDataset({ name: "rows", format: "dialogue", path: join(folder, "rows.jsonl"), holdout: 0, maxBadShare: 1 }))
    .rejects.toMatchObject({ code: "TL_DATA_UNREADABLE", message: expect.stringContaining("a link stands where a file was") });
});

describe("a hostile row", () => {
  const row = (more: string) => `{"prompt":"a${Math.random()}","response":"b"${more}}\n`;

  it("may be nested as deep as it likes", async () => {
    const deep = "[".repeat(100_000) + "]".repeat(100_000);
    expect((await read(row(`,"more":${deep}`))).dialogues.train).toHaveLength(1);
    await expect(read(`${deep}\n${"{\"a\":".repeat(100_000)}`)).rejects.toMatchObject({ code: "TL_DATA_BAD_ROWS" });
    await expect(read(`{"prompt":${deep},"response":"b"}\n`)).rejects.toMatchObject({ code: "TL_DATA_BAD_ROWS" });
    await expect(read(`{"prompt":"a","response":"b","tags":${deep}}\n`)).rejects.toMatchObject({ code: "TL_DATA_BAD_ROWS" });
  });

  it("changes no prototype, and may have tags of any name", async () => {
    const tags = ",\"tags\":{\"constructor\":\"c\",\"toString\":\"t\",\"hasOwnProperty\":1,\"__proto__\":\"p\"},\"__proto__\":{\"polluted\":true},\"constructor\":{\"prototype\":{\"polluted\":true}}";
    const { dialogues: { train: [only] } } = await read(row(tags));
    expect({ ...only!.tags }).toEqual({ constructor: "c", toString: "t", hasOwnProperty: "1" });
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(Object.getPrototypeOf(only!.tags)).toBe(Object.prototype);
  });

  it("may hold numbers beyond all bounds, lone surrogates, NUL and keys given twice: it is text or a bad row", async () => {
    const { dialogues: { train } } = await read([
      row(",\"score\":1e999"), row(",\"response\":\"c\""), "{\"prompt\":\"\\ud800\",\"response\":\"\\u0000\\udfff\"}\n",
    ].join(""));
    expect(train.map(({ messages }) => messages[1]!.content)).toEqual(["b", "c", "\u0000\udfff"]);
    const { counts } = await read(Buffer.concat([Buffer.from(row("")), Buffer.from([0xff, 0xfe, 0x0a]), Buffer.from(`\u0000\n${row(",\"group\":1e999")}`)]), { maxBadShare: 1 });
    expect(counts["rows"]).toMatchObject({ rows: 4, bad: 3 });
  });
});
