import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect } from "vitest";
import type { RawRow } from "../../../data/containers/raw.js";

/** A file that another program wrote: test/data/fixtures/write.py. */
export const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

export const readFixture = async (name: string): Promise<unknown> => JSON.parse(await readFile(fixture(name), "utf8"));

/** Writes files into a folder that goes with the test file; gives their paths. */
export function scratchFiles(): (name: string, content: string | Uint8Array) => Promise<string> {
  let folder: string;
  beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), "trueline-containers-")); });
  afterAll(() => rm(folder, { recursive: true }));
  return async (name, content) => {
    const path = join(folder, name);
    await writeFile(path, content);
    return path;
  };
}

export async function collected<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Rows as "line: JSON" or "line! fault". */
export async function shown(rows: AsyncIterable<RawRow>): Promise<string[]> {
  return (await collected(rows)).map((row) => ("fault" in row ? `${row.line}! ${row.fault}` : `${row.line}: ${JSON.stringify(row.value)}`));
}

export const unreadable = (message: RegExp) => expect.objectContaining({ code: "TL_DATA_UNREADABLE", message: expect.stringMatching(message) as unknown });
