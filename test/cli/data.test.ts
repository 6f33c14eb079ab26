import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { z } from "zod";
import { createPlan } from "../../planner/plan.js";
import { Store } from "../../store/store.js";
import { dialogueRow, assistant, user, writeTinyModel } from "../training/support.js";
import { trueline } from "./trueline.js";

let folder: string;
let spec: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "trueline-cli-data-"));
  process.env["TRUELINE_HOME"] = join(folder, "home");
  spec = join(folder, "spec.json");
  const rows = ["a", "a", "bb", "c".repeat(40)].map((prompt) => dialogueRow([user(prompt), assistant("yes")]));
  await writeFile(join(folder, "rows.jsonl"), [...rows.map(({ messages }) => JSON.stringify({ messages })), "{}", ""].join("\n"));
  await writeTinyModel(join(folder), 1, 30);
});
afterEach(async () => {
  delete process.env["TRUELINE_HOME"];
  await rm(folder, { recursive: true });
});

const write = (model: unknown, more: object = {}) => writeFile(spec, JSON.stringify({
  version: 1, name: "demo", data: { rows: { format: "dialogue", path: "rows.jsonl", maxBadShare: 0.5 } },
  models: { tiny: model }, stages: { sft: { kind: "sft", model: "tiny", data: "rows" }, ...more },
}));

it("tells counts, lengths in the model's tokens, what the context leaves out, and shows rows with their special tokens", async () => {
  await write({ path: "." });
  const { code, stdout } = await trueline(["data", spec, "--json"]);
  expect(code).toBe(0);
  const { entries, readings } = JSON.parse(stdout) as { entries: unknown[]; readings: unknown[] };
  expect(entries).toMatchObject([{ name: "rows", counts: { rows: 5, bad: 1, train: 4, heldOut: 0, duplicates: 1 } }]);
  // A role's token and an end token about each turn, and a token a byte.
  expect(readings).toMatchObject([{
    stage: "sft", field: "data", unit: "tokens", lengths: { min: 8, median: 8, p95: 47, max: 47 }, fitted: { used: 3, cut: 0, dropped: 1 },
    samples: ["<|user|>a<|end|><|assistant|>yes<|end|>"],
  }]);
  const words = await trueline(["data", spec, "rows", "--samples", "2"]);
  expect(words.stdout).toMatch(/rows\s+dialogue\s+5\s+1\s+1\s+4\s+0/);
  expect(words.stdout.match(/<\|assistant\|>yes/g)).toHaveLength(2);
});

it("counts characters where no tokenizer is there yet", async () => {
  await write({ architecture: "llama", layers: 1, hidden: 8, heads: 2, context: 30, tokenizer: "bpe" }, { bpe: { kind: "tokenizer", data: "rows", vocabulary: 300 } });
  const { readings } = JSON.parse((await trueline(["data", spec, "--json"])).stdout) as { readings: unknown[] };
  expect(readings).toContainEqual(expect.objectContaining({ stage: "sft", unit: "characters", samples: ["user: a\nassistant: yes"] }));
});

it("looks at held-out rows for an evaluation, at the others for training, and knows no limit of text", async () => {
  await writeFile(spec, JSON.stringify({
    version: 1, name: "demo", models: { tiny: { path: "." } },
    data: { rows: { format: "dialogue", path: "rows.jsonl", maxBadShare: 0.5, holdout: 0.7 }, book: { format: "text", path: "book.txt" } },
    stages: {
      base: { kind: "pretrain", model: "tiny", data: "book", steps: 1 }, sft: { kind: "sft", model: "base", data: "rows" },
      eval: { kind: "evaluate", candidate: "sft", baseline: "base", prompts: "rows", gold: "sample", maxNewTokens: 8 },
    },
  }));
  await writeFile(join(folder, "book.txt"), "a book ".repeat(20));
  const { entries, readings } = z.object({
    entries: z.array(z.object({ name: z.string(), counts: z.object({ train: z.number(), heldOut: z.number() }) })),
    readings: z.array(z.object({ stage: z.string(), samples: z.array(z.string()), fitted: z.object({ used: z.number(), dropped: z.number() }).optional() })),
  }).parse(JSON.parse((await trueline(["data", spec, "--json", "--samples", "9"])).stdout));
  const { train, heldOut } = entries.find(({ name }) => name === "rows")!.counts;
  const of = (stage: string) => readings.find((reading) => reading.stage === stage)!;
  expect([of("sft").samples.length, of("eval").samples.length], "a prompt that comes twice is asked once").toEqual([train, heldOut - 1]);
  expect(of("base").fitted).toBeUndefined();
  expect((await trueline(["data", spec, "rows"])).stdout).toMatch(new RegExp(`rows\\s+dialogue\\s+5\\s+1\\s+1\\s+${train}\\s+${heldOut}\\n`));
});

it("says of pairs that a stage makes that they come from one, and what they hold once it has made them", async () => {
  await writeFile(spec, JSON.stringify({
    version: 1, name: "demo", models: { tiny: { path: "." } }, data: { rows: { format: "dialogue", path: "rows.jsonl", maxBadShare: 0.5 } },
    stages: { pairs: { kind: "preferences", policy: "tiny", prompts: "rows", gold: "sample", maxNewTokens: 8 }, rm: { kind: "reward-model", model: "tiny", data: "pairs" } },
  }));
  const before = await trueline(["data", spec]);
  expect(before.code).toBe(0);
  expect(before.stdout).toMatch(/pairs\s+preference, of a stage *\n/);
  expect(before.stderr).toContain("pairs: stage pairs has not made its pairs yet");
  const store = new Store(process.env["TRUELINE_HOME"]!);
  const key = (await createPlan(spec)).stages.find(({ name }) => name === "pairs")!.key;
  const row = (chosen: string) => `${JSON.stringify({ prompt: "a", chosen, rejected: "no" })}\n`;
  await mkdir(join(folder, "made"));
  await writeFile(join(folder, "made", "train.jsonl"), row("yes"));
  await writeFile(join(folder, "made", "held-out.jsonl"), row("oh yes") + row("yes!"));
  const artifact = await store.artifacts.publish(join(folder, "made"), "preferences", { figures: {} });
  const { claim } = await store.claims.take(key, { run: "r", stage: "pairs", attempt: 1 });
  await store.results.publish(claim, { version: 1, key, artifact, type: "preferences", kind: "preferences", stage: "pairs", run: "r", finishedAt: "2026-01-01T00:00:00Z", seconds: 1, figures: {} });
  const after = await trueline(["data", spec, "pairs"]);
  expect(after.stdout).toMatch(/pairs\s+preference, of a stage\s+3\s+0\s+2\s+1\s+2/);
  expect(after.stdout).toContain("chosen: <|user|>a<|end|><|assistant|>yes<|end|>");
});

it("knows the entries that stages read, and suggests one", async () => {
  await write({ path: "." });
  const { code, stderr } = await trueline(["data", spec, "row"]);
  expect(code).toBe(3);
  expect(stderr).toMatch(/TL_DATA_ENTRY_UNKNOWN|No stage of the spec reads a data entry row/);
  expect((await trueline(["data", "--help"])).stdout).toContain("trueline data pipelines/quickstart.json");
});
