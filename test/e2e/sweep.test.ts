import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { Project } from "./program.js";

const minutes = 60_000;

/** Documents of a few words, which take no time to read. */
const words = ["lamp", "kite", "door", "moon", "fish", "tree", "road", "star"];
const documents = words.flatMap((word) => words.map((other) => `${JSON.stringify({ text: `the ${word} is by the ${other}` })}\n`)).join("");
const base = { kind: "pretrain", model: "nano", data: "documents", steps: 24, batch: 4, length: 16, checkpoint: { everySeconds: 1000 } };
const pipeline = {
  version: 1, name: "swept", seed: 5,
  data: { documents: { format: "text", path: "documents.jsonl" } },
  models: { nano: { architecture: "llama", layers: 1, hidden: 16, heads: 2, context: 48, tokenizer: "bpe" } },
  stages: { bpe: { kind: "tokenizer", data: "documents", vocabulary: 280 }, base },
};
/** A variant whose guard stops it in its sixth step, or never. */
const guarded = (above: number) => ({ "stages.base.weightDecay": 0.01, "stages.base.guards.any": { metric: "loss/lm", above, over: 1, from: 6 } });
/** The first rate learns nothing. */
const sweep = {
  axes: { rate: { field: "stages.base.learningRate", values: [1e-9, 1e-3, 3e-3] } }, variants: { guarded: guarded(0), plain: {} },
  parallel: 1, objective: { stage: "base", metric: "loss/lm", goal: "minimize" },
};
const spec = { ...pipeline, sweep };
const halving = { stage: "base", metric: "loss/lm", goal: "minimize", every: 8, keep: 0.5 };
const mended = { ...spec, sweep: { ...sweep, variants: { ...sweep.variants, guarded: guarded(99) } } };

const states = z.object({ id: z.string(), state: z.string(), stages: z.array(z.object({ name: z.string(), state: z.string(), artifact: z.string().optional() })) });
const read = (stdout: string) => {
  const { id, state, stages } = states.parse(JSON.parse(stdout));
  return { id, state, stages: Object.fromEntries(stages.map(({ name, state: each }) => [name, each])), artifacts: Object.fromEntries(stages.map(({ name, artifact }) => [name, artifact])) };
};

async function prepared(): Promise<Project> {
  const made = await Project.create();
  await writeFile(join(made.directory, "documents.jsonl"), documents);
  return made;
}

let project: Project;
beforeAll(async () => {
  project = await prepared();
  await project.write("spec.json", spec);
  await project.write("mended.json", mended);
  await project.write("halved.json", { ...spec, name: "halved", seed: 6, sweep: { ...sweep, variants: {}, halving } });
}, 20 * minutes);
afterAll(() => project.remove());

it("goes on with its other variants when some fail, and does those alone when it is resumed", async () => {
  const first = await project.run("run", "spec.json", "--json");
  expect(first.code).toBe(1);
  const failed = read(first.stdout);
  expect(failed.stages).toEqual({
    bpe: "finished", "base.rate-1e-9": "finished", "base.rate-0.001": "finished", "base.rate-0.003": "finished",
    "base.guarded.rate-1e-9": "failed", "base.guarded.rate-0.001": "failed", "base.guarded.rate-0.003": "failed",
  });
  const again = await project.run("resume", failed.id, "--spec", "mended.json", "--json");
  const finished = read(again.stdout);
  expect([again.code, finished.state]).toEqual([0, "finished"]);
  const history = (await project.run("history", failed.id)).stdout;
  expect(history.match(/base\.rate-0\.003: attempt 1 started/g)).toHaveLength(1);
  expect(history).toMatch(/base\.guarded\.rate-0\.003: attempt 1 started .*, from step 6/);

  const { stdout } = await project.run("report", failed.id);
  const rows = stdout.trim().split("\n").map((line) => line.split(/ {2,}/));
  expect(rows[0]?.slice(0, 3)).toEqual(["variant", "seeds", "loss/lm"]);
  expect(rows.slice(1).map(([name]) => name).slice(-2).sort()).toEqual(["guarded.rate-1e-9", "plain.rate-1e-9"]);
}, 15 * minutes);

it("stops the worst variants at each rung; who goes on ends with the bytes of a run that never stopped", async () => {
  const run = await project.run("run", "halved.json", "--json");
  const halved = read(run.stdout);
  expect([run.code, halved.state]).toEqual([0, "finished"]);
  const ends = Object.entries(halved.stages).filter(([name]) => name.startsWith("base.")).map(([, state]) => state);
  expect(ends.sort()).toEqual(["finished", "stopped-early", "stopped-early"]);
  expect(halved.stages["base.rate-1e-9"]).toBe("stopped-early");
  const { stdout } = await project.run("history", halved.id);
  expect(stdout).toMatch(/base: all variants have come to step 8; by loss\/lm .* go on, stopped early: rate-1e-9 \(/);
  expect((await project.run("status", halved.id)).stdout).toMatch(/stopped early at step 8/);

  // The winner alone, from the start and in one go, in a home that has no checkpoint of it.
  const [winner = ""] = Object.entries(halved.stages).find(([name, state]) => name.startsWith("base.") && state === "finished") ?? [];
  const other = await prepared();
  try {
    const rate = Number(winner.slice("base.rate-".length));
    await other.write("whole.json", { ...pipeline, seed: 6, stages: { ...pipeline.stages, base: { ...base, learningRate: rate } } });
    const whole = read((await other.run("run", "whole.json", "--json")).stdout);
    expect(whole.artifacts["base"]).toBe(halved.artifacts[winner]);
  } finally {
    await other.remove();
  }
}, 15 * minutes);
