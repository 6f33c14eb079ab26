import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { prepareReaders, readMutated } from "./readers.js";
import { commandFor, fuzzHome, programFault, treeDigest } from "./programs.js";
import { baseSpecs, mutatedSpec, outcomeOf, specFolder } from "./specs.js";

const seed = 1;
let folder: string;
let bases: readonly unknown[];
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "trueline-fuzz-")));
  await specFolder(folder);
  bases = await baseSpecs();
});
afterAll(() => rm(folder, { recursive: true }));

describe("mutated specs", () => {
  it("2,000 of them give a plan or diagnostics with places, and never a crash", async () => {
    const counts = { plan: 0, faults: 0 };
    for (let number = 0; number < 2000; number++) {
      const text = mutatedSpec(bases, seed, number);
      const outcome = await outcomeOf(text, number % 20 === 0 ? folder : undefined);
      expect(outcome, text).toBeTypeOf("string");
      if (typeof outcome === "string") counts[outcome]++;
    }
    // Both outcomes have to occur, or the mutations test nothing.
    expect(counts.plan).toBeGreaterThan(50);
    expect(counts.faults).toBeGreaterThan(1000);
  });

  it("through the built program end as they may, and leave the home as it is", async () => {
    const home = await fuzzHome(folder, bases, seed);
    const before = await treeDigest(home);
    for (let number = 0; number < 10; number++) {
      const { words, allowed } = await commandFor(bases, seed, number, folder);
      expect(await programFault(words, home, allowed), words.join(" ")).toBeUndefined();
    }
    expect(await treeDigest(home)).toBe(before);
  });
});

it("mutated files are read or refused with a code, by everything that reads files", async () => {
  const files = await mkdtemp(join(folder, "readers-"));
  for (const reader of await prepareReaders(files)) {
    const counts = { read: 0, refused: 0 };
    for (let number = 0; number < 15; number++) {
      const reading = await readMutated(reader, files, seed, number);
      expect(reading, `${reader.name} ${number}`).toBeTypeOf("string");
      if (typeof reading === "string") counts[reading]++;
    }
    expect(counts.read + counts.refused, reader.name).toBe(15);
  }
});
