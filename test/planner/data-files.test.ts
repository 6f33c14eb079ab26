import { appendFile, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestNow, refuseChanged, sourcesOf } from "../../models/sources.js";
import { differences } from "../../planner/differences.js";
import { createPlan } from "../../planner/plan.js";
import type { PlannedStage } from "../../schemas/plan.js";

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "trueline-plan-files-")));
  await mkdir(join(folder, "shards"));
  for (const name of ["a", "b"]) await writeFile(join(folder, `shards/${name}.jsonl`), `${JSON.stringify({ text: name })}\n`);
});
afterEach(() => rm(folder, { recursive: true }));

/** The tokenizer stage of a spec whose data entry has this path. */
async function planned(path: string | readonly string[]): Promise<PlannedStage> {
  const spec = join(folder, "spec.json");
  await writeFile(spec, JSON.stringify({ version: 1, name: "demo", data: { book: { format: "text", path } }, stages: { bpe: { kind: "tokenizer", data: "book", vocabulary: 300 } } }));
  return (await createPlan(spec)).stages[0]!;
}

const entryOf = ({ inputs }: PlannedStage) => {
  const input = inputs["data"]!;
  const [entry] = input.from === "data" ? input.entries : [];
  if (entry === undefined || "stage" in entry) throw new Error("no data from files");
  return entry;
};

async function refusalNow({ inputs }: PlannedStage): Promise<string> {
  try {
    for (const source of sourcesOf("data", inputs["data"]!)) refuseChanged(source, await digestNow(source));
    return "none";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe("a data entry of several files", () => {
  it("is planned with each file's digest, and has the key of its files, however they are named", async () => {
    const stages = [await planned("shards"), await planned("shards/*.jsonl"), await planned(["shards/a.jsonl", "shards/b.jsonl"])];
    for (const stage of stages) {
      expect(entryOf(stage).files?.map(({ path }) => path)).toEqual([join(folder, "shards/a.jsonl"), join(folder, "shards/b.jsonl")]);
      expect(stage.key).toBe(stages[0]!.key);
    }
    expect((await planned(["shards/b.jsonl", "shards/a.jsonl"])).key).not.toBe(stages[0]!.key);
    const alone = await planned("shards/a.jsonl");
    expect(entryOf(alone).files).toBeUndefined();
    expect((await planned("shards/a*")).key).toBe(alone.key);
  });

  it("is refused by the name of a file that changed, is gone or was added since", async () => {
    const stage = await planned("shards");
    expect(await refusalNow(stage)).toBe("none");
    await writeFile(join(folder, "shards/c.jsonl"), "{\"text\":\"c\"}\n");
    expect(await refusalNow(stage)).toBe(`${join(folder, "shards/c.jsonl")} was added to the data entry "book" since the run was planned.`);
    await rm(join(folder, "shards/c.jsonl"));
    await appendFile(join(folder, "shards/b.jsonl"), "{\"text\":\"more\"}\n");
    expect(await refusalNow(stage)).toBe(`${join(folder, "shards/b.jsonl")}, the data entry "book", has changed since the run was planned.`);
    await rm(join(folder, "shards/b.jsonl"));
    expect(await refusalNow(stage)).toBe(`${join(folder, "shards/b.jsonl")}, the data entry "book", is no longer there.`);
  });

  it("tells by name what makes its stage run again", async () => {
    const before = await planned("shards");
    await writeFile(join(folder, "shards/c.jsonl"), "{\"text\":\"c\"}\n");
    await rm(join(folder, "shards/a.jsonl"));
    await appendFile(join(folder, "shards/b.jsonl"), "{\"text\":\"more\"}\n");
    expect(differences(before, await planned("shards"))).toEqual(["files of data entry book added: c.jsonl; removed: a.jsonl; changed: b.jsonl"]);
    expect(differences(await planned(["shards/b.jsonl", "shards/c.jsonl"]), await planned(["shards/c.jsonl", "shards/b.jsonl"]))).toEqual(["files of data entry book have another order"]);
  });
});
